//! As much of a PostgreSQL server as an import talks to: one table, one query, told over the protocol's own messages.
//!
//! The real one is asked in `tests/postgres/run`; this one does what that cannot be made to do, such as to break off.

use std::{
    io::{BufReader, BufWriter, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What asks for a secure connection instead of a start.
const SSL_REQUEST: i32 = 80_877_103;

/// The types of columns, by the numbers that PostgreSQL gives them.
pub const BOOL: i32 = 16;
pub const INT8: i32 = 20;
pub const TEXT: i32 = 25;
pub const FLOAT8: i32 = 701;
pub const MONEY: i32 = 790;

/// A value as it is sent; `None` is NULL.
pub type Cell = Option<Vec<u8>>;

/// What the server has and does.
#[derive(Clone, Default)]
pub struct Table {
    /// Names and types.
    pub columns: Vec<(&'static str, i32)>,
    /// Rows, in the order of the column that marks them.
    pub rows: Vec<Vec<Cell>>,
    /// Which column marks them; it is of the type [`INT8`].
    pub marked_by: usize,
    /// After so many rows the connection is gone.
    pub breaks_after: Option<usize>,
    /// The password; without one nobody is asked.
    pub password: Option<&'static str>,
}

/// What a query was asked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its text.
    pub sql: String,
    /// Its parameter.
    pub mark: Option<String>,
}

/// A server; it goes with the process.
pub struct Postgres {
    /// Its port, on loopback.
    pub port: u16,
    table: Arc<Mutex<Table>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A text as it is sent.
pub fn text(text: &str) -> Cell {
    Some(text.into())
}

/// A whole number of eight bytes as it is sent.
pub fn int8(n: i64) -> Cell {
    Some(n.to_be_bytes().to_vec())
}

impl Postgres {
    /// Starts to serve a table.
    pub fn start(table: Table) -> Postgres {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (table, asked) = (Arc::new(Mutex::new(table)), Arc::new(Mutex::new(Vec::new())));
        let server = Postgres { port, table: table.clone(), asked: asked.clone() };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let table = table.lock().unwrap().clone();
                // A client that goes away in the middle is none of our business.
                let _ = Talk::new(stream, table, asked.clone()).run();
            }
        });
        server
    }

    /// Its address with a user and a password.
    pub fn url(&self) -> String {
        format!("postgres://crm:s3cret@127.0.0.1:{}/shop", self.port)
    }

    /// Changes what it has.
    pub fn change(&self, change: impl FnOnce(&mut Table)) {
        change(&mut self.table.lock().unwrap());
    }

    /// The last query whose rows were asked for.
    pub fn asked(&self) -> Asked {
        self.asked.lock().unwrap().last().cloned().expect("rows were asked for")
    }
}

struct Talk {
    input: BufReader<TcpStream>,
    output: BufWriter<TcpStream>,
    table: Table,
    asked: Arc<Mutex<Vec<Asked>>>,
    sql: String,
    mark: Option<String>,
}

/// A message on its way out: its length is put before it.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], (body.len() as i32 + 4).to_be_bytes().as_slice(), body].concat()
}

fn fields(pairs: &[(u8, &str)]) -> Vec<u8> {
    let mut body: Vec<u8> = pairs.iter().flat_map(|(kind, text)| [&[*kind], text.as_bytes(), &[0]].concat()).collect();
    body.push(0);
    body
}

/// Takes a text up to its zero.
fn cut(body: &mut &[u8]) -> String {
    let end = body.iter().position(|byte| *byte == 0).unwrap();
    let text = String::from_utf8(body[..end].to_vec()).unwrap();
    *body = &body[end + 1..];
    text
}

fn number<const N: usize>(body: &mut &[u8]) -> [u8; N] {
    let (head, rest) = body.split_at(N);
    *body = rest;
    head.try_into().unwrap()
}

impl Talk {
    fn new(stream: TcpStream, table: Table, asked: Arc<Mutex<Vec<Asked>>>) -> Talk {
        let input = BufReader::new(stream.try_clone().unwrap());
        Talk { input, output: BufWriter::new(stream), table, asked, sql: String::new(), mark: None }
    }

    fn bytes(&mut self, count: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn int(&mut self) -> std::io::Result<i32> {
        Ok(i32::from_be_bytes(self.bytes(4)?.try_into().unwrap()))
    }

    fn tell(&mut self, kind: u8, body: &[u8]) -> std::io::Result<()> {
        self.output.write_all(&message(kind, body))
    }

    fn ready(&mut self) -> std::io::Result<()> {
        self.tell(b'Z', b"I")?;
        self.output.flush()
    }

    fn greet(&mut self) -> std::io::Result<bool> {
        loop {
            let length = self.int()? as usize;
            let code = self.int()?;
            self.bytes(length - 8)?;
            if code != SSL_REQUEST {
                break;
            }
            self.output.write_all(b"N")?;
            self.output.flush()?;
        }
        if let Some(password) = self.table.password {
            self.tell(b'R', &3_i32.to_be_bytes())?;
            self.output.flush()?;
            self.bytes(1)?;
            let length = self.int()? as usize;
            if self.bytes(length - 4)? != [password.as_bytes(), &[0]].concat() {
                let why = [(b'S', "FATAL"), (b'C', "28P01"), (b'M', "password authentication failed for user \"crm\"")];
                self.tell(b'E', &fields(&why))?;
                self.output.flush()?;
                return Ok(false);
            }
        }
        self.tell(b'R', &0_i32.to_be_bytes())?;
        self.ready()?;
        Ok(true)
    }

    fn run(mut self) -> std::io::Result<()> {
        if !self.greet()? {
            return Ok(());
        }
        loop {
            let kind = self.bytes(1)?[0];
            let length = self.int()? as usize;
            let body = self.bytes(length - 4)?;
            let mut body = body.as_slice();
            match kind {
                b'Q' => {
                    self.tell(b'C', b"BEGIN\0")?;
                    self.ready()?;
                }
                b'P' => {
                    cut(&mut body);
                    self.sql = cut(&mut body);
                    self.tell(b'1', &[])?;
                }
                b'D' => self.describe()?,
                b'B' => {
                    self.mark = bound(body);
                    self.tell(b'2', &[])?;
                }
                b'E' if !self.give()? => return Ok(()),
                b'E' => {}
                b'C' => self.tell(b'3', &[])?,
                b'S' => self.ready()?,
                b'X' => return Ok(()),
                _ => {}
            }
        }
    }

    fn is_marked(&self) -> bool {
        self.sql.contains("rows_of_the_query")
    }

    fn describe(&mut self) -> std::io::Result<()> {
        let parameters: &[i32] = if self.sql.contains("$1") { &[TEXT] } else { &[] };
        let mut body = (parameters.len() as i16).to_be_bytes().to_vec();
        parameters.iter().for_each(|ty| body.extend(ty.to_be_bytes()));
        self.tell(b't', &body)?;
        let mut columns = self.table.columns.clone();
        if self.is_marked() {
            columns.push(("text", TEXT));
        }
        let mut body = (columns.len() as i16).to_be_bytes().to_vec();
        for (name, ty) in columns {
            body.extend([name.as_bytes(), &[0; 7]].concat());
            body.extend(ty.to_be_bytes());
            body.extend([0, 8, 255, 255, 255, 255, 0, 0]);
        }
        self.tell(b'T', &body)
    }

    /// Sends the rows; false when the connection is to be gone.
    fn give(&mut self) -> std::io::Result<bool> {
        self.asked.lock().unwrap().push(Asked { sql: self.sql.clone(), mark: self.mark.clone() });
        let (least, marked_by) = (self.mark.as_ref().map(|mark| mark.parse::<i64>().unwrap()), self.table.marked_by);
        let mark = |row: &[Cell]| row[marked_by].clone().map(|bytes| i64::from_be_bytes(bytes.try_into().unwrap()));
        let rows = std::mem::take(&mut self.table.rows);
        let wanted =
            rows.into_iter().filter(|row| mark(row).is_none_or(|mark| least.is_none_or(|least| mark >= least)));
        for (place, mut row) in wanted.enumerate() {
            if self.table.breaks_after == Some(place) {
                self.output.flush()?;
                return Ok(false);
            }
            if self.is_marked() {
                row.push(mark(&row).map(|mark| mark.to_string().into_bytes()));
            }
            let mut body = (row.len() as i16).to_be_bytes().to_vec();
            for cell in row {
                body.extend(cell.as_ref().map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
                body.extend(cell.unwrap_or_default());
            }
            self.tell(b'D', &body)?;
        }
        self.tell(b'C', b"SELECT 1\0")?;
        Ok(true)
    }
}

/// The first parameter of a Bind.
fn bound(mut body: &[u8]) -> Option<String> {
    let body = &mut body;
    cut(body);
    cut(body);
    let formats = i16::from_be_bytes(number(body));
    *body = &body[2 * formats as usize..];
    if i16::from_be_bytes(number(body)) == 0 {
        return None;
    }
    let length = i32::from_be_bytes(number(body));
    Some(String::from_utf8(body[..length as usize].to_vec()).unwrap())
}
