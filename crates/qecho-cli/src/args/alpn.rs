//! Application protocols, as a client offers and a server takes them.

use qecho_echo::{ALPN_ECHO, dial::Alpn};
use qecho_engine::AlpnPolicy;

/// Reads what a client offers: `auto`, `none` or a name.
pub(super) fn offer(text: &str) -> Result<Alpn, String> {
    match text {
        "auto" => Ok(Alpn::Auto),
        "none" => Ok(Alpn::None),
        name => self::name(name).map(Alpn::Name),
    }
}

/// Reads what a server agrees to beside `echo`: names, or `any`.
pub(super) fn policy(text: &str) -> Result<AlpnPolicy, String> {
    if text == "any" {
        return Ok(AlpnPolicy::Any);
    }
    let mut names = vec![ALPN_ECHO.to_vec()];
    for name in text.split(',') {
        let name = self::name(name)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(AlpnPolicy::Names(names))
}

/// Reads the name of an application protocol (RFC 7301 §3.1).
fn name(name: &str) -> Result<Vec<u8>, String> {
    match name.len() {
        1..=255 => Ok(name.as_bytes().to_vec()),
        _ => Err("a protocol name has 1 to 255 bytes".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echo_is_among_the_protocols_whatever_is_added() {
        assert_eq!(
            policy("h3,echo"),
            Ok(AlpnPolicy::Names(vec![b"echo".to_vec(), b"h3".to_vec()]))
        );
        assert_eq!(policy("any"), Ok(AlpnPolicy::Any));
        assert!(policy("a,,b").is_err());
    }
}
