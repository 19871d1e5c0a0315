//! The rendered manifests are what kustomize makes of the others.

use std::{fs, io, process::Command};

use super::rendered::directory;

/// Renders a directory; `None` if neither kustomize nor kubectl is installed.
fn render(directory: &str) -> Option<String> {
    for (program, command) in [("kustomize", "build"), ("kubectl", "kustomize")] {
        match Command::new(program).args([command, directory]).output() {
            Ok(output) => {
                let errors = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{directory}: {errors}");
                return Some(String::from_utf8(output.stdout).unwrap());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => panic!("{program}: {error}"),
        }
    }
    None
}

#[test]
fn the_rendered_manifests_are_up_to_date() {
    for entry in fs::read_dir(directory().join("rendered")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_overlay = directory().join("overlays").join(name).exists();
        let source = if is_overlay { format!("overlays/{name}") } else { name.to_owned() };
        let Some(rendered) = render(directory().join(source).to_str().unwrap()) else {
            eprintln!("not checked: neither kustomize nor kubectl is installed");
            return;
        };
        assert_eq!(
            rendered,
            fs::read_to_string(&path).unwrap(),
            ".ci/manifests --write updates {name}"
        );
    }
}
