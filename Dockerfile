# The server on CPUs. The same steps as the README's "Run the server".
#
#   docker build -t shortlist .
#   docker run -p 127.0.0.1:50051:50051 -e SHORTLIST_INSECURE=true -v "$PWD/bundles:/bundles:ro" -v shortlist-data:/data shortlist
# For others than this machine, TLS and keys instead of SHORTLIST_INSECURE: docs/security.md.
# HTTP beside gRPC: -e SHORTLIST_HTTP_PORT=8080 -p 8080:8080

FROM python:3.11-slim AS build
WORKDIR /source
COPY . .
RUN python -m venv /opt/shortlist \
 && /opt/shortlist/bin/pip install --no-cache-dir --constraint constraints.txt '.[cpu,http]'

FROM python:3.11-slim
COPY --from=build /opt/shortlist /opt/shortlist
RUN useradd --system --uid 10001 shortlist && install -d -o shortlist /data
USER shortlist
ENV PATH=/opt/shortlist/bin:$PATH \
    SHORTLIST_HOST=0.0.0.0 \
    SHORTLIST_EMBEDDER=/bundles/embedder \
    SHORTLIST_RERANKER=/bundles/reranker \
    SHORTLIST_DATA=/data
VOLUME /data
EXPOSE 50051 8080
# The server is process 1 and handles SIGTERM itself: it drains, saves and exits with 0.
STOPSIGNAL SIGTERM
ENTRYPOINT ["shortlist", "serve"]
