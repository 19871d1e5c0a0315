//! Compiles `proto/` into Rust types, service traits and a descriptor set, for `crates/proto`.
//!
//! protox is a protobuf compiler in Rust, so there is no `protoc` to install.

use std::{env, error::Error, fs, path::PathBuf};

/// The root of the proto files, relative to `crates/proto`, where Cargo runs this script.
const ROOT: &str = "../../proto";
const FILES: [&str; 3] = [
    "caseload/cases/v1/case_service.proto",
    "caseload/directory/v1/directory_service.proto",
    "caseload/tasks/v1/task_service.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ROOT}");
    println!("cargo::rerun-if-changed=../../build.rs");

    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;

    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    // Reflection serves this set. It keeps the comments, so that `describe` of a client shows them.
    fs::write(out_dir.join("descriptor_set.bin"), compiler.encode_file_descriptor_set())?;

    // A method that the server lacks would answer UNIMPLEMENTED; the tests call every one. Tests of the
    // gateway implement those that they need.
    tonic_prost_build::configure()
        .generate_default_stubs(true)
        .codec_path("crate::codec::WholeMessageCodec")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
