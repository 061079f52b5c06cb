//! `throng serve`: a data folder over HTTP.

use std::net::SocketAddr;

use clap::Args;

use crate::{
    cli::{failure::Failure, target::Folder},
    db::database::Database,
    http::serve::{ServeError, Server},
};

/// Where the server listens when nothing else is said.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:7171";

/// Serve a data folder over HTTP until SIGTERM or SIGINT.
#[derive(Args, Debug)]
pub struct Serve {
    #[command(flatten)]
    folder: Folder,
    /// The address to listen on; without keys only loopback is allowed. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", env = "THRONG_LISTEN", default_value = DEFAULT_ADDRESS)]
    listen: SocketAddr,
}

impl Serve {
    /// Serves until told to stop.
    pub fn run(self) -> Result<(), Failure> {
        let server = bind(self.listen)?;
        let db = self.folder.open()?;
        let status = db.status();
        eprintln!(
            "throng {} serves {} contacts, {} events, {} segments from {} on http://{}",
            status.version,
            status.contacts,
            status.events,
            status.segments,
            self.folder.data.display(),
            server.address(),
        );
        serve(server, db)
    }
}

/// Takes the address before the folder is opened, so that a taken one is told at once.
pub fn bind(address: SocketAddr) -> Result<Server, Failure> {
    Server::bind(address).map_err(|error| match error {
        ServeError::NotLoopback(_) => Failure::caller(error.to_string()),
        ServeError::Listen(..) | ServeError::Start(_) => Failure::operator(error.to_string()),
    })
}

/// Serves until told to stop, then closes the database.
pub fn serve(server: Server, db: Database) -> Result<(), Failure> {
    server.run(db.clone());
    db.close()?;
    eprintln!("stopped: the log is sealed, nothing is lost");
    Ok(())
}
