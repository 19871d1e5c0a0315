DROP TYPE task_batch;
