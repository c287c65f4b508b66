//! A client's OAUTHBEARER token.

use super::{Native, NativeError, c_string, ffi, text};
use rdkafka::client::OAuthToken;
use std::ffi::c_char;
use std::ptr::null_mut;

/// Gives the client a token to log in with.
pub(in super::super) fn set_oauth_token(client: &dyn Native, token: &OAuthToken) -> Result<(), NativeError> {
    let (value, principal) = (c_string(&token.token), c_string(&token.principal_name));
    let mut reason = [0 as c_char; 512];
    // SAFETY: the client is alive; both texts are copied; the buffer for the reason is writable for its length.
    unsafe {
        let set = ffi::rd_kafka_oauthbearer_set_token(
            client.native(),
            value.as_ptr(),
            token.lifetime_ms,
            principal.as_ptr(),
            null_mut(),
            0,
            reason.as_mut_ptr(),
            reason.len(),
        );
        if set == ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        Err(NativeError { text: text(reason.as_ptr()), ..NativeError::of_code(set) })
    }
}
