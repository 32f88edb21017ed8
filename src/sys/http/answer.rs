//! The answer to an HTTP request, from its bytes. Bounded sizes, no I/O.

use crate::error::{Error, Result};

/// The list of a host with thousands of containers fits; an endless answer does not.
pub(super) const LONGEST: usize = 16 * 1024 * 1024;
const MOST_HEADERS: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of the first header with this name, in any case of letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    /// The beginning of the body as text, to be shown to a person.
    pub(crate) fn excerpt(&self) -> String {
        let text: String = String::from_utf8_lossy(&self.body).chars().take(200).collect();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The body as JSON of a known form.
    ///
    /// # Errors
    /// [`Error::Unexpected`] naming `from` when it is anything else.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, from: &str) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Unexpected {
            from: from.to_owned(),
            got: format!(
                "status {} and a body that is not understood ({error}): {}",
                self.status,
                self.excerpt()
            ),
        })
    }
}

/// The answer in these bytes; none while it is incomplete. `ended`: no more bytes will come.
pub(super) fn parse(bytes: &[u8], ended: bool) -> std::result::Result<Option<Response>, String> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("no HTTP ({error})")),
    };
    let mut response = Response {
        status: head.code.ok_or("no HTTP status")?,
        headers: head
            .headers
            .iter()
            .map(|header| {
                let value = String::from_utf8_lossy(header.value).trim().to_owned();
                (header.name.to_owned(), value)
            })
            .collect(),
        body: Vec::new(),
    };
    let rest = bytes.get(length..).unwrap_or_default();
    let body = if matches!(response.status, 204 | 304) {
        Some(Vec::new())
    } else if response
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        unchunk(rest)?
    } else if let Some(text) = response.header("content-length") {
        let length: usize = text.parse().map_err(|_| format!("content-length {text}"))?;
        rest.get(..length).map(<[u8]>::to_vec)
    } else {
        ended.then(|| rest.to_vec())
    };
    Ok(body.map(|body| {
        response.body = body;
        response
    }))
}

/// Decodes a chunked body; none while its last chunk is missing.
fn unchunk(mut rest: &[u8]) -> std::result::Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    loop {
        let (start, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("a chunk without a size".to_owned()),
        };
        if size == 0 {
            return Ok(Some(body));
        }
        let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size));
        let end = end.filter(|end| *end <= LONGEST).ok_or("a chunk too long")?;
        let Some(chunk) = rest.get(start..end) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        match rest.get(end..end + 2) {
            Some(b"\r\n") => rest = rest.get(end + 2..).unwrap_or_default(),
            Some(_) => return Err("a chunk without an end".to_owned()),
            None => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> (u16, String) {
        let response = parse(text.as_bytes(), true).unwrap().unwrap();
        (response.status, String::from_utf8(response.body).unwrap())
    }

    #[test]
    fn a_body_ends_at_its_length_its_last_chunk_or_the_end_of_the_connection() {
        let expected = (200, "hello".to_owned());
        assert_eq!(whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), expected);
        assert_eq!(
            whole("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
            expected
        );
        assert_eq!(whole("HTTP/1.0 200 OK\r\n\r\nhello"), expected);
        assert_eq!(whole("HTTP/1.1 204 No Content\r\n\r\n"), (204, String::new()));
    }

    #[test]
    fn every_beginning_of_an_answer_is_incomplete() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        ] {
            for end in 0..text.len() {
                assert_eq!(parse(&text.as_bytes()[..end], true), Ok(None), "{}", &text[..end]);
            }
        }
    }

    #[test]
    fn what_is_no_http_is_an_error() {
        assert!(parse(b"SSH-2.0-OpenSSH_9.2\r\n", false).is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", false).is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false).is_err());
        assert!(unchunk(b"ffffffffffffffff\r\n").is_err());
        assert!(unchunk(b"2\r\nabcd").is_err());
    }
}
