/**
 * A bucket that keeps nothing and is never what a client waits for: `GET /images/KEY-BYTES` has so many bytes, and what is put is
 * dropped. Its URL is the first line of its output.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const piece = Buffer.alloc(1024 * 1024, 'bench');
const about = { etag: '"0123456789abcdef"', 'last-modified': new Date(0).toUTCString() };

const server = createServer({ highWaterMark: piece.length }, (request, response) => {
  const url = new URL(request.url ?? '/', 'http://any');
  const size = Number(/-(\d+)$/.exec(url.pathname)?.[1] ?? 0);
  request.resume();
  if (request.method === 'GET' || request.method === 'HEAD') {
    if (size === 0) return void response.writeHead(404).end();
    response.writeHead(200, { ...about, 'content-length': size });
    if (request.method === 'HEAD') return void response.end();
    let left = size;
    const write = () => {
      while (left > 0) {
        const chunk = piece.subarray(0, Math.min(left, piece.length));
        left -= chunk.length;
        if (!response.write(chunk)) return void response.once('drain', write);
      }
      response.end();
    };
    return write();
  }
  request.on('end', () => {
    if (request.method !== 'POST') return response.writeHead(200, about).end();
    const root = url.searchParams.has('uploads')
      ? 'InitiateMultipartUploadResult'
      : 'CompleteMultipartUploadResult';
    return response.end(`<?xml version="1.0"?><${root}><UploadId>1</UploadId><ETag>"1"</ETag></${root}>`);
  });
});

server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
