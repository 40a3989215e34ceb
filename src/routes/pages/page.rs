//! The pages.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::routes) enum Page {
    Home,
    Login,
    Logout,
    Register,
    ForgotPassword,
    SetPassword,
    Account,
}

impl Page {
    /// Whether a POST of this page's forms may take a password hash.
    pub(in crate::routes) fn may_hash(self) -> bool {
        matches!(self, Self::Login | Self::Register | Self::SetPassword | Self::Account)
    }
}
