"""A web server on this machine whose folders misbehave, each in its own way."""

import gzip
import http.server
import threading
from pathlib import Path


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        folder, _, name = self.path.strip("/").partition("/")
        self.server.asked.append(self.path)
        path = self.server.folder / name.removesuffix(".gz")
        if folder == "missing" or not path.is_file():
            self.send_error(404)
            return
        body = gzip.compress(path.read_bytes(), mtime=0)
        getattr(self, f"_{folder}")(body)

    def _good(self, body):
        self._answer(body, len(body))

    def _damaged(self, body):
        self._answer(body[:-1] + bytes([body[-1] ^ 1]), len(body))

    def _truncated(self, body):
        self._answer(body[: len(body) // 2], len(body))

    def _short(self, body):
        """End before all has come, without a word: there is no length to miss it by."""
        self._answer(body[: len(body) // 2], None)

    def _stalled(self, body):
        self._answer(body[: len(body) // 2], len(body))
        self.server.release.wait(60)

    def _broken(self, body):
        self.send_error(500, "Out of order")

    def _answer(self, body, length):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *arguments):
        pass


class Server:
    """Serves the files of a folder, packed: at ``URL good/NAME.gz`` as they are.

    Attributes
    ----------
    asked : list of str
        Paths that were asked for.
    """

    def __init__(self, folder):
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.folder = Path(folder)
        self._http.asked = self.asked = []
        self._http.release = threading.Event()
        self._thread = threading.Thread(target=self._http.serve_forever)

    def url(self, how):
        return f"http://127.0.0.1:{self._http.server_port}/{how}/"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *arguments):
        self._http.release.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
