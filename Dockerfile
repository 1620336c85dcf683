# The program and the roots of trust, as a user without rights; what it keeps is in /data.
#
#   docker build --tag qecho .                          compiles the program
#   docker build --tag qecho --build-arg ROOT=given .   takes what `cargo xtask dist binary` made
#   docker run --publish 4433:4433/udp --volume qecho:/data qecho
ARG ROOT=build

FROM rust:1-bookworm AS build
WORKDIR /qecho
COPY . .
RUN cargo rustc --profile dist --locked --package qecho --bin qecho -- -Ctarget-feature=+crt-static \
    && mkdir -p /image/data /image/etc/ssl/certs \
    && cp target/dist/qecho /image/ \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/

FROM scratch AS given
COPY target/dist-packages/image /image

FROM ${ROOT} AS root

FROM scratch
COPY --from=root /image/qecho /qecho
COPY --from=root /image/etc /etc
COPY --from=root --chown=65532:65532 /image/data /data
ENV QECHO_HOME=/data
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 4433/udp
ENTRYPOINT ["/qecho"]
CMD ["server", "--listen", "*:4433"]
