//! Files of certificates and keys, and an authority that issues them.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::support::{App, Authority, Holder, Issued};

/// A directory with the certificate of an authority in `ca.pem`, and with `tls.crt` and `tls.key`, which the
/// authority has issued for `localhost` and `127.0.0.1`.
pub(super) struct Files {
    pub(super) authority: Authority,
    directory: TempDir,
}

impl Files {
    pub(super) fn create() -> Self {
        let files =
            Self { authority: Authority::create("Acme"), directory: tempfile::tempdir().unwrap() };
        files.write("ca.pem", files.authority.certificate());
        files.issue("tls", Holder::default());
        files
    }

    /// Returns the directory.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the path of a file, which need not exist.
    pub(super) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Writes a file, and returns its path.
    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Writes `NAME.crt` and `NAME.key`, and returns what they have.
    pub(super) fn issue(&self, name: &str, holder: Holder<'_>) -> Issued {
        let issued = self.authority.issue(holder);
        self.write(&format!("{name}.crt"), &issued.certificate);
        self.write(&format!("{name}.key"), &issued.key);
        issued
    }

    /// Returns the options of a listener that speaks TLS, and more.
    pub(super) fn listener(&self, more: &[&str]) -> Vec<String> {
        let mut args = vec![
            "--tls-cert".to_owned(),
            self.path("tls.crt"),
            "--tls-key".to_owned(),
            self.path("tls.key"),
        ];
        args.extend(more.iter().map(ToString::to_string));
        args
    }

    /// Returns the options of a listener with mutual TLS, and more.
    pub(super) fn mutual(&self, more: &[&str]) -> Vec<String> {
        let authority = self.path("ca.pem");
        self.listener(&[&["--tls-client-ca", &authority], more].concat())
    }
}

/// Returns arguments as programs take them.
pub(super) fn borrowed(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// Starts a server and a gateway for an app, both with these options.
pub(super) async fn listeners(app: &App, args: &[String]) -> [std::net::SocketAddr; 2] {
    let args = borrowed(args);
    [app.start_server(&args).await, app.start_gateway(&args).await]
}
