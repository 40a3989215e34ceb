//! Chromium without a screen, driven as the WebDriver standard has it, by chromedriver.

use crate::hazards::watch::await_that;
use crate::skip::skip;
use gatekey::encoding;
use gatekey::json::{self, Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What any command may take: a browser's first start, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session; the driver is ours to end.
        let _ = self.exchange("DELETE", "", "");
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    /// `None`, said aloud, where it isn't installed.
    pub fn start(test: &str) -> Option<Self> {
        let driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn();
        let Ok(mut driver) = driver else {
            skip(test, "there is no chromedriver; install it: apt-get install chromium chromium-driver");
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            line.strip_suffix('.')?.rsplit_once("started successfully on port ")?.1.parse().ok()
        });
        let address = SocketAddr::from(([127, 0, 0, 1], port.unwrap()));
        let mut browser = Self { driver, address, session: String::new() };
        let options = json!({"args": [
            "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--window-size=1000,900",
        ]});
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let session = browser.command("POST", "", &capabilities);
        browser.session = session["sessionId"].as_str().unwrap().into();
        Some(browser)
    }

    pub fn open(&self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url }));
    }

    /// What a function's body returns in the page.
    pub fn run(&self, script: &str) -> Value {
        self.command("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Types a text into an input, in the place of what stands there.
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.command("POST", &format!("/element/{element}/clear"), &json!({}));
        self.command("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Presses a key where the focus is.
    pub fn press(&self, key: &str) {
        let actions = json!([{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]);
        let source = json!([{"type": "key", "id": "keyboard", "actions": actions}]);
        self.command("POST", "/actions", &json!({ "actions": source }));
    }

    pub fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.command("POST", &format!("/element/{element}/click"), &json!({}));
    }

    pub fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({}).textContent", json!(selector));
        self.run(&script).as_str().unwrap_or_default().into()
    }

    /// Waits until a script's function returns true.
    #[track_caller]
    pub fn await_that(&self, script: &str) {
        assert!(await_that(|| self.run(script) == json!(true)), "{script}\n{}", self.text("main"));
    }

    fn find(&self, selector: &str) -> String {
        let found = self.command("POST", "/element", &json!({"using": "css selector", "value": selector}));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().into()
    }

    /// What was logged since this was last asked.
    pub fn log(&self, kind: &str) -> Vec<Value> {
        self.command("POST", "/se/log", &json!({ "type": kind })).as_array().unwrap().clone()
    }

    /// A command of Chromium's own (the DevTools Protocol).
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.command("POST", "/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// An element and a little around it, as a PNG: by day or by night, at this width.
    pub fn picture(&self, scheme: &str, width: u32, selector: &str) -> Vec<u8> {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": [feature]}));
        self.set_width(width);
        let edges = format!(
            "const box = document.querySelector({}).getBoundingClientRect(); \
             return [box.top + scrollY - 16, box.bottom + scrollY + 16]",
            json!(selector)
        );
        let edges = self.run(&edges);
        let [top, bottom] = [0, 1].map(|index| edges[index].as_f64().unwrap().max(0.0));
        let clip = json!({"x": 0, "y": top, "width": width, "height": bottom - top, "scale": 1});
        let taken =
            self.devtools("Page.captureScreenshot", &json!({"clip": clip, "captureBeyondViewport": true}));
        encoding::decode_base64(taken["data"].as_str().unwrap()).unwrap()
    }

    pub fn set_width(&self, width: u32) {
        let screen = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &screen);
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.exchange(method, path, &body.to_string());
        let mut answer = json::parse_object(&answer).unwrap();
        let value = answer.remove("value").unwrap();
        assert!(value.get("error").is_none(), "{method} {path}: {value}");
        value
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let session = if self.session.is_empty() { String::new() } else { format!("/{}", self.session) };
        let mut connection = TcpStream::connect(self.address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "{method} /session{session}{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = BufReader::new(connection);
        let mut length = 0;
        loop {
            let mut line = String::new();
            answer.read_line(&mut line).unwrap();
            match line.trim_end().to_lowercase().strip_prefix("content-length:") {
                Some(given) => length = given.trim().parse().unwrap(),
                None if line.trim_end().is_empty() => break,
                None => {}
            }
        }
        let mut bytes = vec![0; length];
        answer.read_exact(&mut bytes).unwrap();
        bytes
    }
}
