//! The real Chromium without a window, driven through chromedriver (W3C WebDriver) by plain requests.

use crate::skip;
use gatekey::encoding;
use gatekey::json::{self, Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long an element may take to come. Longer than any answer does.
const PATIENCE: Duration = Duration::from_secs(20);
/// Starting the browser takes the longest, on a machine that does other things too.
const LONGEST_ANSWER: Duration = Duration::from_secs(90);

/// Keys without a character (WebDriver section 15.4.2).
pub const ENTER: &str = "\u{e007}";
pub const TAB: &str = "\u{e004}";

pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
}

/// How often a driver is started. It takes a free port of ::1, and ends if another program has that of 127.0.0.1.
const STARTS: usize = 5;

/// A driver, and the port on which it listens; `None` if it has ended.
fn start_driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver");
    let driver = driver.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut driver = driver.spawn().unwrap();
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map(Result::unwrap);
    let port =
        lines.find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
    if port.is_none() {
        let _ = driver.wait();
    }
    Some((driver, port?))
}

impl Browser {
    /// A browser of its own, which remembers nothing; `None` if there is none, and then the test is [skipped](skip::skip).
    pub fn start(test: &str) -> Option<Self> {
        let is_there = |program: &&str| Command::new(program).arg("--version").output().is_ok();
        if let Some(missing) = ["chromedriver", "chromium"].iter().find(|program| !is_there(program)) {
            let install = "apt-get install chromium chromium-driver";
            skip::skip(test, &format!("there is no {missing}; install it: {install}"));
            return None;
        }
        let started = (0..STARTS).find_map(|_| start_driver());
        let (driver, port) = started.expect("chromedriver says its port");
        let mut browser = Self { driver, port, session: String::new() };
        let started = browser.ask(
            "POST",
            "/session",
            &json!({"capabilities": {"alwaysMatch": {
                "acceptInsecureCerts": true,
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
                "timeouts": {"implicit": u64::try_from(PATIENCE.as_millis()).unwrap()},
                // Root may not have the sandbox, and a container's shared memory is small. Scrolling takes no time.
                "goog:chromeOptions": {"args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                    "--force-prefers-reduced-motion", "--hide-scrollbars", "--window-size=1000,1200",
                    "--host-resolver-rules=MAP *.example.org 127.0.0.1"]},
            }}}),
        );
        browser.session = format!("/session/{}", started["sessionId"].as_str().unwrap());
        Some(browser)
    }

    /// One command of WebDriver, which must succeed: its value.
    #[track_caller]
    fn ask(&self, method: &str, path: &str, parameters: &Value) -> Value {
        let body = if method == "POST" { parameters.to_string() } else { String::new() };
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        connection.set_read_timeout(Some(LONGEST_ANSWER)).unwrap();
        let (port, length) = (self.port, body.len());
        write!(
            connection,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        // The driver keeps the connection whatever is asked, so the length says where the answer ends.
        let mut reader = BufReader::new(connection);
        let head: Vec<_> =
            reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        let length = head
            .iter()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap()];
        reader.read_exact(&mut body).unwrap();
        let mut answer = json::parse_object(&body).unwrap();
        assert!(head[0].starts_with("HTTP/1.1 200"), "{method} {path} {parameters}: {answer:?}");
        answer.remove("value").unwrap()
    }

    #[track_caller]
    fn command(&self, command: &str, parameters: &Value) -> Value {
        self.ask("POST", &format!("{}/{command}", self.session), parameters)
    }

    pub fn open(&self, url: &str) {
        self.command("url", &json!({"url": url}));
    }

    /// The URL in the address bar.
    pub fn url(&self) -> String {
        self.ask("GET", &format!("{}/url", self.session), &Value::Null).as_str().unwrap().to_owned()
    }

    /// Asserts that the browser is at this URL, as soon as it has followed the form or link.
    #[track_caller]
    pub fn assert_lands(&self, url: &str) {
        let landed = crate::hazards::watch::await_that(|| self.url() == url);
        assert!(landed, "{} instead of {url}", self.url());
    }

    /// Opens a tab beside the others and goes there.
    pub fn open_tab(&self) -> String {
        let tab = self.command("window/new", &json!({"type": "tab"}))["handle"].as_str().unwrap().to_owned();
        self.switch_to(&tab);
        tab
    }

    pub fn switch_to(&self, tab: &str) {
        self.command("window", &json!({"handle": tab}));
    }

    pub fn back(&self) {
        self.command("back", &json!({}));
    }

    /// The path of the one element that a CSS selector means, as soon as it is there.
    #[track_caller]
    pub fn find(&self, selector: &str) -> String {
        let found = self.command("element", &json!({"using": "css selector", "value": selector}));
        let id = found.as_object().unwrap().values().next().unwrap();
        format!("element/{}", id.as_str().unwrap())
    }

    #[track_caller]
    pub fn click(&self, selector: &str) {
        let element = self.find(selector);
        // Away from the edges, where something else may stand in front.
        let selector = Value::from(selector);
        self.run(&format!("document.querySelector({selector}).scrollIntoView({{block: 'center'}})"));
        self.command(&format!("{element}/click"), &json!({}));
    }

    /// Presses these keys in an element, which gets the focus.
    #[track_caller]
    pub fn press(&self, selector: &str, keys: &str) {
        self.command(&format!("{}/value", self.find(selector)), &json!({"text": keys}));
    }

    /// Replaces the content of a text field.
    #[track_caller]
    pub fn fill(&self, selector: &str, text: &str) {
        self.command(&format!("{}/clear", self.find(selector)), &json!({}));
        self.press(selector, text);
    }

    /// An element's text as a person sees it.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let path = format!("{}/{}/text", self.session, self.find(selector));
        self.ask("GET", &path, &Value::Null).as_str().unwrap().to_owned()
    }

    /// What a script returns.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({"script": script, "args": []}))
    }

    /// A command of the browser's own protocol (Chrome DevTools).
    #[track_caller]
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.command("goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// As on a screen of this many pixels.
    pub fn resize(&self, width: u32, height: u32, is_phone: bool) {
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone});
        self.devtools("Emulation.setDeviceMetricsOverride", &screen);
    }

    /// As for a user who prefers `light` or `dark`.
    pub fn prefer(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// A picture of what is seen, as a PNG file.
    pub fn screenshot(&self) -> Vec<u8> {
        let shot = self.devtools("Page.captureScreenshot", &json!({"format": "png"}));
        encoding::decode_base64(shot["data"].as_str().unwrap()).unwrap()
    }

    /// What the console has said since this was last asked: source, level and message.
    pub fn console(&self) -> Vec<[String; 3]> {
        let entries = self.command("se/log", &json!({"type": "browser"}));
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
        let entries = entries.as_array().unwrap().iter();
        entries.map(|entry| ["source", "level", "message"].map(|name| text(entry, name))).collect()
    }

    /// The URL of each request since this was last asked.
    pub fn requests(&self) -> Vec<String> {
        let entries = self.command("se/log", &json!({"type": "performance"}));
        let events = entries.as_array().unwrap().iter().map(|entry| {
            let event = json::parse_object(entry["message"].as_str().unwrap().as_bytes()).unwrap();
            event["message"].clone()
        });
        let sent = events.filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.map(|event| event["params"]["request"]["url"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser, so it must live until it has; but a test that fails must not fail twice.
        if !self.session.is_empty() && TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            let end = || self.ask("DELETE", &self.session, &Value::Null);
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(end));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
