# The product without Lambda: one image, two processes. The gateway is what runs by default; the
# sessions API and the schedule run beside it, once, as `python -m local.serve control`.
FROM python:3.13-slim
WORKDIR /opt/aigw
COPY requirements/run.txt requirements/run.txt
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --target /opt/aigw/packages -r /opt/aigw/requirements/run.txt
COPY layers/gateway/aigateway layers/gateway/aigateway
COPY local local
COPY cli cli
RUN python -m compileall -q /opt/aigw
ENV PYTHONPATH=/opt/aigw/packages:/opt/aigw/layers/gateway:/opt/aigw PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1
ENV AIGW_HTTP_ADDRESS=0.0.0.0 AIGW_STATE_DIR=/var/lib/aigw
VOLUME /var/lib/aigw
USER 10001
EXPOSE 4180 4181
CMD ["python", "-m", "local.serve", "gateway"]
