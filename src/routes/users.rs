//! `/api/users` and `/api/users/{id}`.

use super::failure::Failure;
use super::{Call, base_url, body};
use crate::http::{ErrorCode, Response};
use crate::json::json;
use crate::realm::UserLookup;
use crate::store::Reads;
use crate::user_id::UserId;

/// `POST /api/users`: registers a user.
pub(super) fn register(call: &Call<'_>) -> Result<Response, Failure> {
    let mut body = body::object(call.request)?;
    let username = body::take_text(&mut body, "username", ErrorCode::InvalidUsername)?;
    let password = body::take_password(&mut body)?;
    call.reads.may_block()?; // on a hash and a write
    let registered = call.realm.register(&username, &password, call.client(), call.now);
    let registered = registered.map_err(|error| Failure::register(&error))?;
    let location = alloc::format!("{}/api/users/{}", base_url::base_url(call), registered.id);
    Ok(Response::json(201, &json!({"username": registered.username.as_str()}))
        .with_field("Location", location)
        .for_user(registered.id))
}

/// `GET /api/users/{id}`: the user's name; anybody's, or one's own, as the policy says.
pub(super) fn show(call: &Call<'_>, id: UserId) -> Result<Response, Failure> {
    let asker = match call.realm.policy().effective_user_lookup() {
        UserLookup::Public => None,
        // Who sees only oneself looks nobody up; and others must not use up what one's token is good for.
        UserLookup::Own => Some(call.authenticate()?.id),
    };
    if let Some(asker) = asker.filter(|asker| *asker != id) {
        return Err(Failure::forbidden(asker)); // the same for an id that nobody has
    }
    let user = call.realm.find_user_by_id_from(id, call.reads).map_err(|error| Failure::store(&error))?;
    if asker.is_none() {
        charge_lookup(call)?; // last, since what would block must come before any side effect
    }
    let user = user.ok_or_else(Failure::not_found)?;
    let mut response = Response::json(200, &json!({"username": user.username}));
    response.about.user = asker;
    Ok(response)
}

fn charge_lookup(call: &Call<'_>) -> Result<(), Failure> {
    let charged = match call.reads {
        Reads::PerCall => call.realm.charge_lookup(call.client(), call.now),
        Reads::Batch(_) => call.realm.try_charge_lookup(call.client(), call.now)?,
    };
    charged.map_err(|error| Failure::throttled(error, "users were looked up"))
}

/// `PUT /api/users/{id}`: changes the password; every token of the user dies.
pub(super) fn change_password(call: &Call<'_>, id: UserId) -> Result<Response, Failure> {
    let new = body::take_password(&mut body::object(call.request)?)?;
    // The realm looks at it too, but only once there are credentials; and what is wrong with the body is said before what
    // is wrong with those.
    call.realm.check_new_password(&new).map_err(Failure::password)?;
    call.reads.may_block()?; // on hashes and a write
    let changed = call.realm.change_password(id, call.credentials()?, &new, call.client(), call.now);
    call.note_user_change(&changed);
    changed.map_err(|error| Failure::user_change(&error, call.scheme))?;
    Ok(Response::empty(204).for_user(id))
}

/// `DELETE /api/users/{id}`: deletes the user.
pub(super) fn delete(call: &Call<'_>, id: UserId) -> Result<Response, Failure> {
    call.reads.may_block()?; // on a hash and a write
    let deleted = call.realm.delete_own_user(id, call.credentials()?, call.client(), call.now);
    call.note_user_change(&deleted);
    deleted.map_err(|error| Failure::user_change(&error, call.scheme))?;
    Ok(Response::empty(204).for_user(id))
}
