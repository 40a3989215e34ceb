//! What all pages share: who is signed in, the frame, the headers, errors.

use super::html::{Html, Placeholders};
use super::texts;
use crate::encoding;
use crate::http::{ErrorCode, Response};
use crate::realm::{AuthenticateError, Principal, Registration};
use crate::routes::context::RequestContext;
use crate::routes::cookie;
use crate::routes::error::{ApiError, COOKIE_CHALLENGE};
use crate::routes::sign_in_pages::SignInPages;
use crate::signer;
use crate::store::SessionKind;
use std::sync::LazyLock;

const STYLE: &str = include_str!("style.css");
static STYLE_HASH: LazyLock<String> =
    LazyLock::new(|| encoding::encode_base64(signer::sha256(STYLE.as_bytes())));

/// A request for a page, and whose it is.
pub(super) struct View<'a> {
    pub(super) context: &'a RequestContext<'a>,
    pub(super) pages: &'a SignInPages,
    /// Every live session whose cookie was sent. More than one, and none of them counts: another host or path may have
    /// set the second one.
    pub(super) sessions: Vec<Principal>,
}

impl<'a> View<'a> {
    pub(super) fn new(context: &'a RequestContext<'a>, pages: &'a SignInPages) -> Result<Self, ApiError> {
        let sessions = live_sessions(context, pages.session_cookie().name, SessionKind::Browser)?;
        Ok(Self { sessions, ..Self::signed_out(context, pages) })
    }

    /// The same request, as that of a visitor without a session.
    pub(super) fn signed_out(context: &'a RequestContext<'a>, pages: &'a SignInPages) -> Self {
        Self { context, pages, sessions: Vec::new() }
    }

    /// Who is signed in.
    pub(super) fn visitor(&self) -> Option<&Principal> {
        match self.sessions.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    pub(super) fn is_registration_open(&self) -> bool {
        self.context.realm.policy().registration == Registration::Open
    }

    /// A page. `title` names a text; `values` are those of the template.
    pub(super) fn page(
        &self,
        status: u16,
        title: &'static str,
        template: &'static str,
        values: &Placeholders<'_>,
    ) -> Response {
        let main = Html::fill(template, values);
        let mut response = document(status, &self.pages.title, title, main);
        // Browsers apply form-action to every hop of the redirect after a post: an app may lead on to any site.
        let loopback = if self.pages.is_loopback { " http:" } else { "" };
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; \
             form-action 'self' https:{loopback}; frame-ancestors 'none'",
            *STYLE_HASH
        );
        response.headers.push(("Content-Security-Policy", policy.into()));
        // With no-referrer, browsers would post `Origin: null`.
        response.headers.push(("Referrer-Policy", "same-origin".into()));
        response.record.user = self.visitor().map(|visitor| visitor.id);
        if self.sessions.len() > 1 {
            response.record.cause = Some("more than one live session cookie".into());
        }
        if status == 401 {
            // Browsers show no dialog for this one.
            response.headers.push(("WWW-Authenticate", COOKIE_CHALLENGE.into()));
        }
        response
    }

    /// A page that says one thing and links to another page.
    pub(super) fn message(
        &self,
        status: u16,
        heading: &'static str,
        alert: Html,
        link: &'static str,
        link_text: &'static str,
    ) -> Response {
        let values = [
            ("heading", text(heading)),
            ("alert", alert),
            ("link", Html::constant(link)),
            ("link_text", text(link_text)),
        ];
        self.page(status, heading, include_str!("html/message.html"), &values)
    }

    /// A error of the API's kind, as a page.
    pub(super) fn failed(&self, error: ApiError) -> Response {
        let error = Response::from(error);
        let page =
            self.message(error.status, "not_possible", self.alert_of(&error), "/login", "back_to_sign_in");
        with_error(page, error)
    }

    /// What to do about an error.
    pub(super) fn alert_of(&self, error: &Response) -> Html {
        let seconds = error.header("Retry-After").and_then(|seconds| seconds.parse().ok()).unwrap_or(1);
        let values = [("wait", wait(seconds)), ("password_hint", self.password_hint())];
        alert(texts::of_error(error.record.error), &values)
    }

    /// A form that came from another site, or whose origin a proxy or the browser has hidden.
    pub(super) fn foreign_form(&self, sent: Html) -> Response {
        let origin = Html::text(self.pages.public_url.origin());
        let alert = alert("foreign_form", &[("origin", origin), ("sent", sent)]);
        let page = self.message(403, "not_possible", alert, "/login", "back_to_sign_in");
        with_error(page, ApiError::new(ErrorCode::CrossSite, "").into())
    }

    /// What a new password must be.
    pub(super) fn password_hint(&self) -> Html {
        let min = self.context.realm.policy().min_password_chars;
        let text = if min > 1 { "{min_password} {longer_is_better}" } else { "{longer_is_better}" };
        Html::fill(text, &[("min", number(min as u64))])
    }

    /// What to do about two live sessions.
    pub(super) fn cookie_alert(&self) -> Html {
        let host = [("host", Html::text(self.pages.host()))];
        if self.sessions.len() > 1 { alert("two_cookies", &host) } else { Html::default() }
    }

    /// What a browser should know that sends Basic credentials: they outlive a sign-out.
    pub(super) fn basic_notice(&self) -> Html {
        if self.context.has_basic_password() { notice("note", "basic_held") } else { Html::default() }
    }

    /// The cookie that tells whether the browser kept the guard cookie.
    pub(super) fn guard_check(&self) -> &'static str {
        if self.pages.is_loopback { "gatekey-guard-check" } else { "__Host-gatekey-guard-check" }
    }

    /// `GET /`.
    pub(super) fn home(&self) -> Response {
        let link = |link, name| {
            Html::fill(
                "<a class=\"button {quiet}\" href=\"{link}\">{name}</a>",
                &[
                    (
                        "quiet",
                        Html::constant(if name == "sign_in" || name == "account" { "" } else { "quiet" }),
                    ),
                    ("link", Html::constant(link)),
                    ("name", text(name)),
                ],
            )
        };
        let mut links = Vec::new();
        if let Some(visitor) = self.visitor() {
            let name = [("name", Html::text(&visitor.username))];
            links.push(Html::fill("<p>{home_signed_in}</p>", &name));
            links.extend([link("/account", "account"), link("/logout", "sign_out")]);
        } else {
            links.push(link("/login", "sign_in"));
            links.extend(self.is_registration_open().then(|| link("/register", "register")));
        }
        links.extend(self.context.config.learn_page.then(learn_link));
        let values = [("site", Html::text(&self.pages.title)), ("links", links.into_iter().collect())];
        self.page(200, "home", include_str!("html/home.html"), &values)
    }
}

/// The live sessions of this kind whose cookies were sent.
pub(super) fn live_sessions(
    context: &RequestContext<'_>,
    cookie_name: &str,
    kind: SessionKind,
) -> Result<Vec<Principal>, ApiError> {
    let mut sessions: Vec<Principal> = Vec::new();
    for value in cookie::values(context.request, cookie_name) {
        match context.realm.authenticate_cookie(value, kind, context.reads, context.now) {
            Ok(principal) if sessions.iter().all(|live| live.session != principal.session) => {
                sessions.push(principal);
            }
            Ok(_) | Err(AuthenticateError::Refused(_)) => {}
            Err(error) => return Err(ApiError::authenticate(&error, context.scheme)),
        }
    }
    Ok(sessions)
}

fn learn_link() -> Html {
    Html::fill("<p class=\"footer\"><a href=\"/learn\">{home_learn}</a></p>", &[])
}

/// `GET /` of a server without sign-in pages.
pub(super) fn home_without_pages() -> Response {
    let site = Html::constant(SignInPages::DEFAULT_TITLE);
    let main = Html::fill(
        "<div class=\"card\"><h1>{site}</h1>{link}</div>",
        &[("site", site), ("link", learn_link())],
    );
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; img-src data:; frame-ancestors 'none'",
        *STYLE_HASH
    );
    document(200, SignInPages::DEFAULT_TITLE, "home", main).with_header("Content-Security-Policy", policy)
}

fn document(status: u16, site: &str, title: &'static str, main: Html) -> Response {
    let is_error = status >= 400;
    let page_title = if is_error { "{error}: {title}" } else { "{title}" };
    let html = Html::fill(
        include_str!("html/frame.html"),
        &[
            ("page_title", Html::fill(page_title, &[("title", text(title))])),
            ("site", Html::text(site)),
            ("style", Html::constant(STYLE)),
            ("main", main),
        ],
    );
    let response = Response::empty(status).with_header("Content-Type", "text/html; charset=utf-8");
    Response { body: html.into_bytes(), ..response }
}

/// The page, with what an error says to log and client apart from its body and its challenge.
pub(super) fn with_error(mut page: Response, error: Response) -> Response {
    page.status = error.status;
    page.headers.extend(error.headers.into_iter().filter(|(name, _)| *name == "Retry-After"));
    let user = error.record.user.or(page.record.user);
    page.record = error.record;
    page.record.user = user;
    page
}

/// The text of this name, which has no values of its own.
pub(super) fn text(name: &'static str) -> Html {
    Html::fill(texts::find(name).expect("a text of this name"), &[])
}

/// An error message, which screen readers announce.
pub(super) fn alert(name: &'static str, values: &Placeholders<'_>) -> Html {
    let text = Html::fill(texts::find(name).expect("a text of this name"), values);
    Html::fill("<p class=\"notice bad\" role=\"alert\" id=\"alert\">{text}</p>\n", &[("text", text)])
}

/// A remark: `note` or `good`.
pub(super) fn notice(class: &'static str, name: &'static str) -> Html {
    let values = [("class", Html::constant(class)), ("text", text(name))];
    Html::fill("<p class=\"notice {class}\" role=\"status\">{text}</p>\n", &values)
}

pub(super) fn number(number: u64) -> Html {
    Html::text(&number.to_string())
}

/// A time to wait, in words.
fn wait(seconds: u64) -> Html {
    let (name, count) = match seconds {
        0..=1 => ("second", 1),
        2..=90 => ("seconds", seconds),
        _ => ("minutes", seconds.div_ceil(60)),
    };
    Html::fill(texts::find(name).expect("a text of this name"), &[("number", number(count))])
}
