//! HTML that is escaped by construction: [`Html`] can't be built from unescaped text.
//!
//! A template is markup of the author's with `{placeholders}`. Each one is a value of the caller's, or else a text of
//! [`super::texts`], which may have placeholders itself. Attribute values in templates are always quoted.

use super::texts;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Html(String);

/// The placeholders of a template, by name.
pub(super) type Placeholders<'a> = [(&'static str, Html)];

impl Html {
    /// Markup or text of the author's.
    pub(super) fn constant(markup: &'static str) -> Self {
        Self(markup.into())
    }

    /// Any text, escaped for content and for quoted attribute values.
    pub(super) fn text(text: &str) -> Self {
        let mut html = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                // As an attribute's value a line break would be kept, and a NUL is not allowed in HTML.
                '\0' => html.push('\u{fffd}'),
                _ => html.push(c),
            }
        }
        Self(html)
    }

    /// A template with its placeholders replaced.
    ///
    /// # Panics
    /// If a placeholder is neither among the values nor among the texts: a mistake in the template.
    pub(super) fn fill(template: &'static str, values: &Placeholders<'_>) -> Self {
        let mut html = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').expect("a placeholder has an end");
            html.push_str(before);
            if let Some((_, value)) = values.iter().find(|(given, _)| *given == name) {
                html.push_str(&value.0);
            } else {
                let text = texts::find(name).expect("a placeholder is a value or a text");
                html.push_str(&Self::fill(text, values).0);
            }
            rest = after;
        }
        html.push_str(rest);
        Self(html)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

impl FromIterator<Self> for Html {
    fn from_iter<I: IntoIterator<Item = Self>>(parts: I) -> Self {
        Self(parts.into_iter().map(|part| part.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_not_become_markup() {
        assert_eq!(Html::text("<b title='x'>&\"\0").0, "&lt;b title=&#39;x&#39;&gt;&amp;&quot;\u{fffd}");
        let name = Html::text("{site}<script>");
        let html = Html::fill("<p title=\"{name}\">{name}</p>", &[("name", name)]);
        assert_eq!(html.0, "<p title=\"{site}&lt;script&gt;\">{site}&lt;script&gt;</p>");
    }

    #[test]
    fn a_placeholder_that_is_no_value_is_a_text() {
        let html = Html::fill("<h1>{continue_as}</h1>", &[("name", Html::text("a&b"))]);
        assert_eq!(html.0, "<h1>Continue as a&amp;b</h1>");
    }

    #[test]
    #[should_panic(expected = "a placeholder is a value or a text")]
    fn a_placeholder_without_a_value_is_a_mistake() {
        Html::fill("{nothing}", &[]);
    }
}
