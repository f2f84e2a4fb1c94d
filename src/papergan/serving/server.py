"""An HTTP server for a trained generator, on the loopback interface by default, and a page to try it with."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from papergan.atomic_files import read_regular
from papergan.errors import PaperganError, RecipeError
from papergan.inference.locate import AnyModel
from papergan.inference.sound.models import SoundGenerator, SoundModel
from papergan.inference.translator import Translator
from papergan.inference.vectors import VectorGenerator
from papergan.messages import quoted, sanitise
from papergan.serving.service import Limits, Refused, Service, answer_json
from papergan.serving.sound_service import SoundService
from papergan.serving.translation_service import TranslationService
from papergan.serving.worker import Busy

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

PAGE = Path(__file__).with_name("page.html")


def create_app(generator: AnyModel, limits: Limits | None = None, *, public: bool = False) -> FastAPI:
    """The application. public: answer under any host name; else only under those of the loopback interface.

    So a page from elsewhere gets nothing even if its host name was made to resolve to this server.
    Raises RecipeError if the packages are missing, for a translator of images with a mask, a vocoder, and rows of a
    table.
    """
    _check_packages()
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse

    limits = limits or Limits()
    service = _service(generator, limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.worker.close()

    # FastAPI's own documentation pages load scripts from other hosts
    app = FastAPI(title="papergan", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    page, policy = _page()
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}

    async def index(request: Request) -> Response:
        return HTMLResponse(page, headers=headers)

    for name, method in {**service.routes, "card": "GET", "health": "GET", "model": "GET"}.items():
        app.add_route(f"/{name}", _guarded(getattr(service, name), public), methods=[method])
    app.add_route("/", _guarded(index, public), methods=["GET"])
    return app


def _service(generator: AnyModel, limits: Limits) -> Service:
    if isinstance(generator, SoundGenerator):
        return SoundService(generator, limits)
    if isinstance(generator, SoundModel):
        raise RecipeError(
            f"system {generator.system!r} is given sounds and is not served; papergan vocode takes WAV files"
        )
    if isinstance(generator, VectorGenerator):
        raise RecipeError(
            f"system {generator.system!r} makes rows of a table and is not served; papergan sample writes them"
        )
    return TranslationService(generator, limits) if isinstance(generator, Translator) else Service(generator, limits)


def serve(
    generator: AnyModel, host: str = "127.0.0.1", port: int = 8000, *, limits: Limits | None = None,
    public: bool = False, listening: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Serve until SIGINT or SIGTERM. public: allow a host that other machines can reach; there is no login.

    listening: called once connections are accepted.

    Raises RecipeError for a translator of images with a mask, a vocoder, rows of a table, such a host without `public`,
    an address that cannot be used, and missing packages.
    """
    local = _is_loopback(host)
    if not local and not public:
        raise RecipeError(f"host {quoted(host)} can be reached from other machines, and there is no login; "
                          "say so with public=True (--public), or leave the host out")  # fmt: skip
    limits = limits or Limits()
    app = create_app(generator, limits, public=not local)
    import uvicorn

    try:
        taking = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        why = sanitise(getattr(error, "strerror", None) or error).partition(" (")[0]
        raise RecipeError(f"cannot listen on {quoted(host)}, port {port}: {why}; name another port") from error
    config = uvicorn.Config(
        app, access_log=False, server_header=False, limit_concurrency=limits.connections, timeout_keep_alive=5
    )
    with taking:
        listening()
        uvicorn.Server(config).run(sockets=[taking])


def _check_packages() -> None:
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise RecipeError("serving needs fastapi and uvicorn: pip install 'papergan[serve]'") from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


Handler = Callable[["Request"], Awaitable["Response"]]


def _guarded(handler: Handler, public: bool) -> Handler:
    """The handler, with errors turned into one-line answers, and requests under other host names refused."""

    async def answer(request: Request) -> Response:
        try:
            name = re.sub(r":\d+$", "", request.headers.get("host", "")).strip("[]").lower()
            if not public and not _is_loopback(name):
                raise Refused(421, f"this server does not answer as {quoted(name)}; ask localhost")
            return await handler(request)
        except Refused as error:
            return answer_json({"detail": str(error)}, error.status)
        except RecipeError as error:
            return answer_json({"detail": str(error)}, 400)
        except (Busy, PaperganError) as error:
            return answer_json({"detail": str(error)}, 503, {"Retry-After": "1"})

    return answer


def _page() -> tuple[bytes, str]:
    """The page, and the content security policy that allows only its own script and style."""
    page = read_regular(PAGE)
    allowed = {}
    for tag in (b"script", b"style"):
        found = re.search(b"<%s>(.*?)</%s>" % (tag, tag), page, re.DOTALL)
        assert found is not None
        allowed[tag.decode()] = base64.b64encode(hashlib.sha256(found[1]).digest()).decode()
    own = "; ".join(f"{tag}-src 'sha256-{digest}'" for tag, digest in allowed.items())
    return page, (
        f"default-src 'none'; {own}; img-src data:; media-src data:; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
