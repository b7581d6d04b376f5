from service.api.http import Operation

OPERATIONS: tuple[Operation, ...] = ()
