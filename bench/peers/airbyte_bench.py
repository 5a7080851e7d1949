"""The Airbyte CDK against the loopback server: a declarative source, its records serialized as a container would print them.

python airbyte_bench.py lookups|list ORIGIN ITEMS DIRECTORY; the last line is the result as JSON. The CDK persists nothing by
itself: messages go to /dev/null, which favours it against everything that writes.
"""

import json
import logging
import resource
import sys
import time

import orjson
from airbyte_cdk.models import (
    AirbyteMessageSerializer,
    AirbyteStream,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
    Type,
)
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource

CONCURRENCY = 4


def manifest(mode: str, origin: str, items: int, size: int) -> dict:
    requester = {"type": "HttpRequester", "url_base": origin, "http_method": "GET"}
    if mode == "lookups":
        retriever = {
            "requester": {**requester, "path": "/v1/items/{{ stream_partition['item'] }}"},
            "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}},
            "partition_router": {
                "type": "ListPartitionRouter",
                "cursor_field": "item",
                "values": [f"ITM{index:08d}" for index in range(items)],
            },
        }
    else:
        retriever = {
            "requester": {**requester, "path": "/v1/list", "request_parameters": {"size": str(size), "total": str(items)}},
            "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": ["rows"]}},
            "paginator": {
                "type": "DefaultPaginator",
                "page_token_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "page"},
                "pagination_strategy": {
                    "type": "PageIncrement",
                    "page_size": size,
                    "start_from_page": 0,
                    "inject_on_first_request": True,
                },
            },
        }
    return {
        "version": "7.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["items"]},
        "streams": [
            {
                "type": "DeclarativeStream",
                "name": "items",
                "primary_key": "id",
                "retriever": {"type": "SimpleRetriever", **retriever},
                "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {}}},
            }
        ],
        "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
        "concurrency_level": {"type": "ConcurrencyLevel", "default_concurrency": CONCURRENCY, "max_concurrency": CONCURRENCY},
    }


def main() -> None:
    mode, origin, items = sys.argv[1], sys.argv[2], int(sys.argv[3])
    size = int(sys.argv[5]) if len(sys.argv) > 5 else 100
    logging.disable(logging.INFO)
    stream = AirbyteStream(name="items", json_schema={}, supported_sync_modes=[SyncMode.full_refresh])
    catalog = ConfiguredAirbyteCatalog(
        streams=[
            ConfiguredAirbyteStream(
                stream=stream, sync_mode=SyncMode.full_refresh, destination_sync_mode=DestinationSyncMode.overwrite
            )
        ]
    )
    source = ConcurrentDeclarativeSource(
        catalog=catalog, config={}, state=[], source_config=manifest(mode, origin, items, size)
    )
    started = time.perf_counter()
    records = 0
    with open("/dev/null", "wb") as sink:
        for message in source.read(logging.getLogger("airbyte"), {}, catalog, []):
            sink.write(orjson.dumps(AirbyteMessageSerializer.dump(message)))
            records += message.type == Type.RECORD
    seconds = time.perf_counter() - started
    if records != items:
        raise SystemExit(f"{records} of {items} records came out")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "perSecond": items / seconds,
                "cpuUs": (usage.ru_utime + usage.ru_stime) * 1e6 / items,
                "peakMb": usage.ru_maxrss / 1000,
            }
        )
    )


main()
