"""gRPC without generated code: the server's reflection tells which services and messages there are."""

from typing import Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

TIMEOUT = 30


class Server:
    """A server, whose services are found by their names."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None = None) -> None:
        # Variables of the environment may name a proxy for all that is not on this machine.
        options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
        if credentials:
            self.channel = grpc.secure_channel(address, credentials, options)
        else:
            self.channel = grpc.insecure_channel(address, options)
        self.pool = DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def service(self, name: str, key: str) -> "Service":
        """Returns a service, which is called with a key."""
        return Service(self.channel, self.pool.FindServiceByName(name), key)

    def tasks(self, key: str) -> "Service":
        return self.service("caseload.tasks.v1.TaskService", key)

    def cases(self, key: str) -> "Service":
        return self.service("caseload.cases.v1.CaseService", key)

    def directory(self, key: str) -> "Service":
        return self.service("caseload.directory.v1.DirectoryService", key)


class Service:
    """A service. Its methods are called by their names: `tasks.GetTask(case_id=1, task_id=2)`."""

    def __init__(self, channel: grpc.Channel, descriptor: Any, key: str) -> None:
        self._metadata = [("authorization", f"Bearer {key}")]
        self._methods = {}
        for method in descriptor.methods:
            request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
            path = f"/{descriptor.full_name}/{method.name}"
            call = channel.unary_unary(path, request.SerializeToString, response.FromString)
            self._methods[method.name] = (request, call)

    def __getattr__(self, name: str) -> Any:
        return lambda **fields: self.call(name, **fields)[0]

    def call(self, name: str, **fields: Any) -> tuple[Message, dict[str, str]]:
        """Calls a method with these fields. Returns the response and its metadata."""
        request, method = self._methods[name]
        response, call = method.with_call(request(**fields), timeout=TIMEOUT, metadata=self._metadata)
        return response, dict(call.initial_metadata())

    def refusal(self, name: str, **fields: Any) -> tuple[str, str, dict[str, str]]:
        """Calls a method, which must fail. Returns the code, the reason, and the reasons of fields by paths."""
        try:
            response = self.call(name, **fields)[0]
        except grpc.RpcError as error:
            reason, violations = details(error)
            return error.code().name, reason, violations
        raise AssertionError(f"{name} was expected to fail: {response}")


def details(error: grpc.RpcError) -> tuple[str, dict[str, str]]:
    """Returns the reason of a failed call, and the reasons of fields by their paths."""
    reason, violations = "", {}
    status = rpc_status.from_call(error)
    for detail in status.details if status else []:
        info, request = ErrorInfo(), BadRequest()
        if detail.Unpack(info):
            reason = info.reason
        if detail.Unpack(request):
            violations = {violation.field: violation.reason for violation in request.field_violations}
    return reason, violations


def label(message: Message, field: str) -> str:
    """Returns the name of the value of a field that is an enum."""
    values = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return values[getattr(message, field)].name
