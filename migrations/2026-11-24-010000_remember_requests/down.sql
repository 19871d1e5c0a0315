DROP TABLE task_batch_requests;
