//! What each method does to the data.

/// What a method does to the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It changes nothing, so it may be repeated freely.
    Read,
    /// It may change something.
    Write,
}

/// Every method of the contract: the path of its requests, and what it does.
pub const METHODS: &[(&str, Access)] = &[
    ("/caseload.cases.v1.CaseService/CreateCase", Access::Write),
    ("/caseload.cases.v1.CaseService/DeleteCase", Access::Write),
    ("/caseload.cases.v1.CaseService/GetCase", Access::Read),
    ("/caseload.cases.v1.CaseService/ListCases", Access::Read),
    ("/caseload.cases.v1.CaseService/UpdateCase", Access::Write),
    ("/caseload.tasks.v1.TaskService/BatchCreateTasks", Access::Write),
    ("/caseload.tasks.v1.TaskService/BatchDeleteTasks", Access::Write),
    ("/caseload.tasks.v1.TaskService/BatchGetTasks", Access::Read),
    ("/caseload.tasks.v1.TaskService/BatchUpdateTasks", Access::Write),
    ("/caseload.tasks.v1.TaskService/CreateTask", Access::Write),
    ("/caseload.tasks.v1.TaskService/DeleteTask", Access::Write),
    ("/caseload.tasks.v1.TaskService/GetIdempotencyRecord", Access::Read),
    ("/caseload.tasks.v1.TaskService/GetTask", Access::Read),
    ("/caseload.tasks.v1.TaskService/ListTaskEvents", Access::Read),
    ("/caseload.tasks.v1.TaskService/ListTasks", Access::Read),
    ("/caseload.tasks.v1.TaskService/UpdateTask", Access::Write),
    ("/caseload.directory.v1.DirectoryService/BatchUpsertCases", Access::Write),
    ("/caseload.directory.v1.DirectoryService/BatchUpsertUsers", Access::Write),
    ("/caseload.directory.v1.DirectoryService/CloseCase", Access::Write),
    ("/caseload.directory.v1.DirectoryService/DeactivateUser", Access::Write),
    ("/caseload.directory.v1.DirectoryService/EraseUser", Access::Write),
    ("/caseload.directory.v1.DirectoryService/GetCase", Access::Read),
    ("/caseload.directory.v1.DirectoryService/GetUser", Access::Read),
    ("/caseload.directory.v1.DirectoryService/ListCases", Access::Read),
    ("/caseload.directory.v1.DirectoryService/ListUsers", Access::Read),
    ("/caseload.directory.v1.DirectoryService/ReactivateUser", Access::Write),
];

/// Returns what the method with this path does; `None` for a method that is not in the contract,
/// as those of health and reflection.
#[must_use]
pub fn access(path: &str) -> Option<Access> {
    METHODS.iter().find(|(method, _)| *method == path).map(|(_, access)| *access)
}

/// The methods whose calls wait in the server's write queue.
const CREATES: [&str; 2] = [
    "/caseload.tasks.v1.TaskService/BatchCreateTasks",
    "/caseload.tasks.v1.TaskService/CreateTask",
];

/// Whether the calls of the method with this path create tasks, so that they wait in the server's write
/// queue.
#[must_use]
pub fn creates_tasks(path: &str) -> bool {
    CREATES.contains(&path)
}

/// Whether the method with this path is one of the directory, which has limits of its own.
#[must_use]
pub fn is_of_directory(path: &str) -> bool {
    path.starts_with("/caseload.directory.")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_method_of_the_contract_is_listed_and_no_other() {
        let set = FileDescriptorSet::decode(crate::DESCRIPTOR_SET).unwrap();
        let mut contract = BTreeSet::new();
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    let (package, service) = (file.package(), service.name());
                    contract.insert(format!("/{package}.{service}/{}", method.name()));
                }
            }
        }
        let listed: BTreeSet<String> = METHODS.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, contract);
        assert_eq!(listed.len(), METHODS.len());
    }

    #[test]
    fn methods_that_create_tasks_write() {
        let creates = METHODS.iter().filter(|(path, _)| creates_tasks(path));
        let access: Vec<_> = creates.map(|(_, access)| *access).collect();
        assert_eq!(access, [Access::Write; CREATES.len()]);
    }

    #[test]
    fn the_calls_of_the_directory_are_those_of_its_service() {
        let paths = METHODS.iter().map(|(path, _)| *path).filter(|path| is_of_directory(path));
        let paths: Vec<_> = paths.collect();
        assert_eq!(paths.len(), 10);
        assert!(paths.iter().all(|path| path.contains(".DirectoryService/")), "{paths:?}");
    }

    #[test]
    fn other_methods_have_no_access() {
        assert_eq!(access(CREATES[0]), Some(Access::Write));
        assert_eq!(access("/grpc.health.v1.Health/Check"), None);
        assert_eq!(access("/caseload.tasks.v1.TaskService/Nothing"), None);
    }
}
