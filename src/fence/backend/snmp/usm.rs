//! The envelope of version 3 (RFC 3412) with the user-based security model (RFC 3414): who says it, when, and in secret.
//!
//! Invariant: no I/O here. An answer counts only if it is as well protected as what was asked.

use super::ber::{self, OCTETS, Reader, SEQUENCE};
use super::crypto::{Cipher, Signature};
use super::message::Pdu;

const SIGNED: u8 = 1;
const ENCRYPTED: u8 = 2;
/// The device may say why it does not answer.
const REPORTABLE: u8 = 4;
const LONGEST: i32 = 65_507;
const USER_BASED: i32 = 3;

/// An account, and what its messages are protected with.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) signature: Option<(Signature, String)>,
    pub(crate) cipher: Option<(Cipher, String)>,
}

/// What a device says of itself: the first thing to ask, and the base of all keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Engine {
    pub(crate) id: Vec<u8>,
    pub(crate) boots: u32,
    pub(crate) time: u32,
}

/// The keys of a user at one engine. Making them takes longer than everything else here.
pub(crate) struct Keys {
    signature: Option<(Signature, Vec<u8>)>,
    cipher: Option<(Cipher, Vec<u8>)>,
}

/// An answer and its sender.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) engine: Engine,
    pub(crate) message_id: i64,
    /// By who has the keys.
    pub(crate) signed: bool,
    /// Protected as the user's messages have to be.
    pub(crate) protected: bool,
    pub(crate) pdu: Pdu,
}

impl User {
    pub(crate) fn keys(&self, engine: &Engine) -> Keys {
        let signature = self.signature.as_ref();
        // Keys for encryption are made with the signature's function too.
        let cipher = signature.zip(self.cipher.as_ref());
        Keys {
            signature: signature
                .map(|(signature, password)| (*signature, signature.key(password.as_bytes(), &engine.id))),
            cipher: cipher
                .map(|((signature, _), (cipher, password))| (*cipher, signature.key(password.as_bytes(), &engine.id))),
        }
    }
}

/// A message that only asks who is there.
pub(crate) fn greeting(id: i32, pdu: &Pdu) -> Vec<u8> {
    let nobody = User {
        name: String::new(),
        signature: None,
        cipher: None,
    };
    let engine = Engine::default();
    wrap(id, &nobody, &engine, &nobody.keys(&engine), [0; 8], pdu).unwrap_or_default()
}

/// A message of this user; none when it cannot be encrypted.
pub(crate) fn wrap(id: i32, user: &User, engine: &Engine, keys: &Keys, salt: [u8; 8], pdu: &Pdu) -> Option<Vec<u8>> {
    let scoped = ber::sequence(&[ber::octets(&engine.id), ber::octets(&[]), pdu.encoded()]);
    let (data, salt) = match &keys.cipher {
        None => (scoped, ber::octets(&[])),
        Some((cipher, key)) => {
            let secret = cipher.encrypt(key, salt, (engine.boots, engine.time), &scoped)?;
            (ber::octets(&secret), ber::octets(&salt))
        }
    };
    let space = vec![0; keys.signature.as_ref().map_or(0, |(signature, _)| signature.length())];
    let security = ber::sequence(&[
        ber::octets(&engine.id),
        ber::integer(engine.boots.cast_signed()),
        ber::integer(engine.time.cast_signed()),
        ber::octets(user.name.as_bytes()),
        ber::octets(&space),
        salt.clone(),
    ]);
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let flags = REPORTABLE | flag(keys.signature.is_some(), SIGNED) | flag(keys.cipher.is_some(), ENCRYPTED);
    let header = ber::sequence(&[
        ber::integer(id),
        ber::integer(LONGEST),
        ber::octets(&[flags]),
        ber::integer(USER_BASED),
    ]);
    let after = salt.len() + data.len();
    let mut message = ber::sequence(&[ber::integer(3), header, ber::octets(&security), data]);
    if let Some((signature, key)) = &keys.signature {
        let start = message.len() - after - space.len();
        let signed = signature.sign(key, &message);
        message.get_mut(start..start + space.len())?.copy_from_slice(&signed);
    }
    Some(message)
}

/// Reads a message; none when it is garbled, or says that it is signed and is not by who has the keys. Without keys
/// (the first answer) only what is not protected can be read.
pub(crate) fn unwrap(bytes: &[u8], user: &User, keys: Option<&Keys>) -> Option<Received> {
    let mut message = Reader::new(bytes).inside(SEQUENCE)?;
    if message.integer()? != 3 {
        return None;
    }
    let mut header = message.inside(SEQUENCE)?;
    let message_id = header.integer()?;
    let _longest = header.integer()?;
    let flags = *header.octets()?.first()?;
    let mut security = message.inside(OCTETS)?.inside(SEQUENCE)?;
    let engine = Engine {
        id: security.octets()?.to_vec(),
        boots: u32::try_from(security.integer()?).ok()?,
        time: u32::try_from(security.integer()?).ok()?,
    };
    let name = security.octets()?;
    let signature = security.octets()?;
    let signature_at = security.position() - signature.len();
    let salt = security.octets()?;
    let signed = flags & SIGNED != 0;
    if signed {
        let (method, key) = keys?.signature.as_ref()?;
        let mut unsigned = bytes.to_vec();
        unsigned.get_mut(signature_at..signature_at + signature.len())?.fill(0);
        if name != user.name.as_bytes() || !method.verifies(key, &unsigned, signature) {
            return None;
        }
    }
    let pdu = if flags & ENCRYPTED == 0 {
        scoped(message.inside(SEQUENCE)?)?
    } else {
        let (cipher, key) = keys?.cipher.as_ref().filter(|_| signed)?;
        let clock = (engine.boots, engine.time);
        let plain = cipher.decrypt(key, salt.try_into().ok()?, clock, message.octets()?)?;
        scoped(Reader::new(&plain).inside(SEQUENCE)?)?
    };
    let encrypted = flags & ENCRYPTED != 0;
    let protected = keys.is_some_and(|keys| signed == keys.signature.is_some() && encrypted == keys.cipher.is_some());
    Some(Received {
        engine,
        message_id,
        signed,
        protected,
        pdu,
    })
}

fn scoped(mut scope: Reader<'_>) -> Option<Pdu> {
    let _engine = scope.octets()?;
    let _name = scope.octets()?;
    Pdu::read(&mut scope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fence::backend::snmp::ber::Oid;
    use crate::fence::backend::snmp::message::{GET, Value};

    fn user(signed: bool, encrypted: bool) -> User {
        User {
            name: "fence".to_owned(),
            signature: signed.then(|| (Signature::Sha256, "signing-password".to_owned())),
            cipher: encrypted.then(|| (Cipher::Aes, "hiding-password".to_owned())),
        }
    }

    fn engine() -> Engine {
        Engine {
            id: b"\x80\0\x1f\x88engine".to_vec(),
            boots: 5,
            time: 4711,
        }
    }

    fn pdu() -> Pdu {
        Pdu::request(GET, 9, &Oid::new(&[1, 3, 6, 1]), Value::Nothing)
    }

    #[test]
    fn messages_of_every_level_are_read_by_who_has_the_keys() {
        for (signed, encrypted) in [(false, false), (true, false), (true, true)] {
            let user = user(signed, encrypted);
            let keys = user.keys(&engine());
            let bytes = wrap(3, &user, &engine(), &keys, [9; 8], &pdu()).unwrap();
            let received = unwrap(&bytes, &user, Some(&keys)).unwrap();
            assert_eq!((received.pdu, received.engine), (pdu(), engine()));
            assert!(received.protected);
            assert_eq!(received.message_id, 3);
        }
    }

    #[test]
    fn a_changed_byte_makes_a_signed_message_nobodys() {
        let user = user(true, true);
        let keys = user.keys(&engine());
        let bytes = wrap(3, &user, &engine(), &keys, [9; 8], &pdu()).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            let read = unwrap(&changed, &user, Some(&keys));
            assert!(read.is_none_or(|read| !read.protected), "byte {at}");
        }
        for end in 0..bytes.len() {
            assert_eq!(unwrap(&bytes[..end], &user, Some(&keys)), None);
        }
    }

    #[test]
    fn an_answer_that_is_less_protected_than_the_question_is_known_as_such() {
        let (weak, strong) = (user(false, false), user(true, true));
        let bytes = wrap(3, &weak, &engine(), &weak.keys(&engine()), [0; 8], &pdu()).unwrap();
        let received = unwrap(&bytes, &strong, Some(&strong.keys(&engine()))).unwrap();
        assert!(!received.protected);
    }
}
