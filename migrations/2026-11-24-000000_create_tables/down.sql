DROP TABLE task_assignees;
DROP TABLE tasks;
DROP TABLE cases;
DROP TABLE users;
DROP TABLE api_keys;
DROP TABLE tenants;
