"""dlt against the loopback server: look-ups and list rows, end to end into DuckDB by way of Parquet.

python dlt_bench.py lookups|list ORIGIN ITEMS DIRECTORY; the last line is the result as JSON. The configuration is the
fastest one found: asynchronous look-ups over one aiohttp session in batches of 50, nothing unnested, list pages handed
over as Arrow tables of 10,000 rows, so that normalization is skipped.
"""

import asyncio
import json
import os
import resource
import sys
import time

os.environ.update(
    {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "WARNING",
        "EXTRACT__WORKERS": "16",
        "EXTRACT__MAX_PARALLEL_ITEMS": "64",
        "DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
        "DATA_WRITER__FILE_MAX_ITEMS": "100000",
        "DATA_WRITER__DISABLE_COMPRESSION": "true",
        "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
        "NORMALIZE__WORKERS": "1",
    }
)

import aiohttp  # noqa: E402
import dlt  # noqa: E402
import orjson  # noqa: E402
import pyarrow  # noqa: E402
import requests  # noqa: E402

LOOKUPS_A_BATCH = 50
ROWS_A_TABLE = 10_000


def lookups(origin: str, items: int):
    session = None

    @dlt.resource(name="ids")
    def ids():
        for start in range(0, items, LOOKUPS_A_BATCH):
            yield range(start, min(items, start + LOOKUPS_A_BATCH))

    @dlt.transformer(data_from=ids, name="items", max_table_nesting=0, write_disposition="replace")
    async def bodies(batch):
        nonlocal session
        if session is None:
            session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256))

        async def one(index):
            async with session.get(f"{origin}/v1/items/ITM{index:08d}") as response:
                return orjson.loads(await response.read())

        return await asyncio.gather(*(one(index) for index in batch))

    return bodies


def listing(origin: str, items: int, size: int):
    @dlt.resource(name="items", max_table_nesting=0, write_disposition="replace")
    def pages():
        session = requests.Session()
        rows, page = [], 0
        while page is not None:
            body = orjson.loads(session.get(f"{origin}/v1/list?size={size}&total={items}&page={page}").content)
            rows.extend(body["rows"])
            page = body["next"]
            if len(rows) >= ROWS_A_TABLE or page is None:
                yield pyarrow.Table.from_pylist([{**row, "outlays": row["outlays"] or ""} for row in rows])
                rows = []

    return pages


def main() -> None:
    mode, origin, items, directory = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    size = int(sys.argv[5]) if len(sys.argv) > 5 else 100
    pipeline = dlt.pipeline(
        pipeline_name="bench",
        pipelines_dir=os.path.join(directory, "pipelines"),
        destination=dlt.destinations.duckdb(os.path.join(directory, "bench.duckdb")),
        dataset_name="raw",
    )
    data = lookups(origin, items) if mode == "lookups" else listing(origin, items, size)
    started = time.perf_counter()
    pipeline.extract(data, loader_file_format="parquet")
    extracted = time.perf_counter()
    pipeline.normalize()
    pipeline.load()
    seconds = time.perf_counter() - started
    with pipeline.sql_client() as client:
        stored = client.execute_sql("SELECT count(*) FROM items")[0][0]
    if stored != items:
        raise SystemExit(f"{stored} of {items} items arrived in DuckDB")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "perSecond": items / seconds,
                "extractPerSecond": items / (extracted - started),
                "cpuUs": (usage.ru_utime + usage.ru_stime) * 1e6 / items,
                "peakMb": usage.ru_maxrss / 1000,
            }
        ),
        flush=True,
    )
    # The session's loop has ended with extraction; what it would say about that at exit is noise.
    os._exit(0)


main()
