//! The PROXY protocol, versions 1 and 2: who the client is, told by the balancer in front of us.
//!
//! Reads exactly the header and nothing behind it. A listener either demands it or knows nothing of it; a connection
//! whose header does not parse is dropped. <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use tokio::io::{AsyncRead, AsyncReadExt};

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V1_BYTES_MAX: usize = 107;
const V2_BYTES_MAX: usize = 536;

/// Reads the header: the client's address, or `None` where the balancer speaks for itself (`LOCAL`, `UNKNOWN`).
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    match &start == V2_SIGNATURE {
        true => version_2(stream).await,
        false if start.starts_with(b"PROXY ") => version_1(stream, start.to_vec()).await,
        false => Err(malformed()),
    }
}

async fn version_1(stream: &mut (impl AsyncRead + Unpin), mut line: Vec<u8>) -> io::Result<Option<SocketAddr>> {
    while !line.ends_with(b"\r\n") {
        if line.len() >= V1_BYTES_MAX {
            return Err(malformed());
        }
        line.push(stream.read_u8().await?);
    }
    let line = std::str::from_utf8(&line).map_err(|_| malformed())?;
    let fields: Vec<&str> = line.trim_end_matches("\r\n").split(' ').collect();
    match fields.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", "TCP4" | "TCP6", source, _, port, _] => {
            let source: IpAddr = source.parse().map_err(|_| malformed())?;
            let port: u16 = port.parse().map_err(|_| malformed())?;
            Ok(Some(SocketAddr::new(source, port)))
        }
        _ => Err(malformed()),
    }
}

async fn version_2(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut fixed = [0; 4];
    stream.read_exact(&mut fixed).await?;
    let [version_and_command, family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if version_and_command >> 4 != 2 || length > V2_BYTES_MAX {
        return Err(malformed());
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match (version_and_command & 0x0f, family) {
        (0, _) => Ok(None),
        (1, 0x11) => address::<4>(&rest).map(Some),
        (1, 0x21) => address::<16>(&rest).map(Some),
        (1, 0) => Ok(None),
        _ => Err(malformed()),
    }
}

/// Source address, destination address, source port, destination port.
fn address<const N: usize>(bytes: &[u8]) -> io::Result<SocketAddr>
where
    [u8; N]: Into<IpAddr>,
{
    let source: [u8; N] = bytes.get(..N).and_then(|it| it.try_into().ok()).ok_or_else(malformed)?;
    let port = bytes.get(2 * N..2 * N + 2).and_then(|it| it.try_into().ok()).ok_or_else(malformed)?;
    Ok(SocketAddr::new(source.into(), u16::from_be_bytes(port)))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no valid PROXY protocol header")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(bytes: &[u8], expected: Result<Option<&str>, ()>) {
        let mut stream = bytes;
        let found = read(&mut stream).await.map_err(|_| ());
        let expected = expected.map(|it| it.map(|text| text.parse::<SocketAddr>().unwrap()));
        assert_eq!(found, expected, "{}", bytes.escape_ascii());
    }

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = V2_SIGNATURE.to_vec();
        bytes.extend([0x20 | command, family]);
        bytes.extend((rest.len() as u16).to_be_bytes());
        bytes.extend(rest);
        bytes
    }

    #[tokio::test]
    async fn headers_of_both_versions_name_the_client() {
        check(b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\nGET /", Ok(Some("192.0.2.7:4711"))).await;
        check(b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", Ok(Some("[2001:db8::7]:4711"))).await;
        check(b"PROXY UNKNOWN\r\n", Ok(None)).await;
        let four = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x67, 1, 187, 3, 0, 0];
        check(&version_2(1, 0x11, &four), Ok(Some("192.0.2.7:4711"))).await;
        check(&version_2(0, 0, &[]), Ok(None)).await;
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        check(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Err(())).await;
        check(b"PROXY TCP4 192.0.2.7 4711\r\n", Err(())).await;
        check(b"PROXY TCP4 a.test 10.0.0.1 4711 443\r\n", Err(())).await;
        check(&[b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(), Err(())).await;
        check(&version_2(1, 0x11, &[1, 2, 3]), Err(())).await;
        check(&version_2(7, 0x11, &[0; 12]), Err(())).await;
    }
}
