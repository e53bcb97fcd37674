use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Sends commands on one new connection, and gives the last one's answer as text. Enough of the protocol to look
/// after a server: answers that are lists are not understood. An error that Redis answers is an `Other` error.
pub(super) async fn ask(address: SocketAddr, commands: &[&[&str]]) -> Result<String> {
    let mut connection = BufReader::new(TcpStream::connect(address).await?);
    let mut answer = String::new();
    for command in commands {
        let mut request = format!("*{}\r\n", command.len());
        for word in *command {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        connection.write_all(request.as_bytes()).await?;
        answer = read(&mut connection).await?;
    }
    Ok(answer)
}

async fn read(connection: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    connection.read_line(&mut line).await?;
    let Some(line) = line.strip_suffix("\r\n").filter(|line| !line.is_empty()) else {
        return Err(ErrorKind::UnexpectedEof.into());
    };
    let (kind, rest) = line.split_at(1);
    match kind {
        "+" | ":" => Ok(rest.to_owned()),
        "-" => Err(Error::other(rest)),
        "$" => match rest.parse::<usize>() {
            Ok(length) => {
                let mut text = vec![0; length + 2];
                connection.read_exact(&mut text).await?;
                text.truncate(length);
                String::from_utf8(text).map_err(|_| ErrorKind::InvalidData.into())
            }
            Err(_) => Err(Error::new(ErrorKind::NotFound, "nil")),
        },
        _ => Err(Error::new(ErrorKind::Unsupported, format!("an answer that begins with {kind}"))),
    }
}
