"""A proxy before the server that follows a plan. It forwards messages as bytes."""

from concurrent.futures import ThreadPoolExecutor

import grpc
from caseload.tasks.v1.task_service_pb2 import BatchCreateTasksRequest

from .plan import REJECT_SECONDS, Fate, Plan

CREATE = "/caseload.tasks.v1.TaskService/BatchCreateTasks"


class GrpcProxy:
    """Forwards to the server, within a context."""

    def __init__(self, upstream: str, plan: Plan) -> None:
        self.channel = grpc.insecure_channel(upstream)
        self.server = grpc.server(ThreadPoolExecutor(8))
        self.server.add_generic_rpc_handlers([Handler(self.channel, plan)])
        self.port = self.server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> str:
        self.server.start()
        return f"http://127.0.0.1:{self.port}"

    def __exit__(self, *_: object) -> None:
        self.server.stop(None).wait()
        self.channel.close()


class Handler(grpc.GenericRpcHandler):
    """Handles every method."""

    def __init__(self, channel: grpc.Channel, plan: Plan) -> None:
        self.channel = channel
        self.plan = plan

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        if "ServerReflection" in details.method:
            stream = lambda requests, context: self.stream(details.method, requests)
            return grpc.stream_stream_rpc_method_handler(stream)
        call = lambda message, context: self.call(details.method, message, context)
        return grpc.unary_unary_rpc_method_handler(call)

    def stream(self, method: str, requests):
        yield from self.channel.stream_stream(method)(requests, timeout=20)

    def call(self, method: str, message: bytes, context: grpc.ServicerContext) -> bytes:
        fate = Fate.PASS
        if method == CREATE:
            remaining = context.time_remaining()
            # Without a deadline, grpcio reports a time that ends in centuries.
            deadline = remaining if remaining is not None and remaining < 1e6 else None
            fate = self.plan.next(BatchCreateTasksRequest.FromString(message).request_id, deadline)
        if fate == Fate.REJECT:
            context.set_trailing_metadata([("grpc-retry-pushback-ms", str(REJECT_SECONDS * 1000))])
            context.abort(grpc.StatusCode.UNAVAILABLE, "try again")
        if fate == Fate.DROP:
            context.abort(grpc.StatusCode.UNKNOWN, "lost")
        authorization = [pair for pair in context.invocation_metadata() if pair[0] == "authorization"]
        try:
            response = self.channel.unary_unary(method)(message, timeout=20, metadata=authorization)
        except grpc.RpcError as error:
            context.set_trailing_metadata(error.trailing_metadata())
            context.abort(error.code(), error.details())
        if fate == Fate.LOSE:
            context.abort(grpc.StatusCode.UNKNOWN, "lost")
        return response
