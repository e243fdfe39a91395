/**
 * Headers of answers that other clients do not look at, or accept: the bytes are the right ones. Each case asks for an image by tag,
 * its blobs, and a range of a cold one.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startApp } from '../support/app.ts';
import { blobOf } from '../support/byte-source.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import type { Answer } from '../support/fake-registry-content.ts';
import { type Fault, ignoreRange, noContentLength, withHeaders } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';

const page = blobOf(`<!doctype html>${'<p>An artifact may well be a page.'.repeat(9_000)}`);
const image = buildImage({ layers: [page, 100] });

/** Names the range that the whole of an answer is. */
const namesItsRange: Fault = { answer: (answer) => ({ ...answer, headers: wholeRange(answer) }) };
function calls(status: number): Fault {
  return { answer: (answer) => ({ ...answer, status }) };
}

function wholeRange({ headers, body }: Answer) {
  return { ...headers, 'content-range': `bytes 0-${body.size - 1}/${body.size}` };
}

const everything = {};
const blobs = { kind: 'blob' } as const;

const oddities = [
  // Storages give back the header with which a client uploaded.
  ['a Content-Encoding of uploads', everything, withHeaders({ 'content-encoding': 'aws-chunked' })],
  ['a Content-Encoding that is a charset', everything, withHeaders({ 'content-encoding': 'UTF-8' })],
  ['a Content-Encoding that means none', everything, withHeaders({ 'content-encoding': 'none' })],
  // Servers in Go without a type of their own guess it from the first bytes.
  ['the type of a page for a layer that is one', blobs, withHeaders({ 'content-type': 'text/html' })],
  ['203 for everything', everything, calls(203)],
  ['206 for the whole', blobs, ignoreRange(), namesItsRange, calls(206)],
  ['a Content-Range for the whole, without a length', blobs, ignoreRange(), namesItsRange, noContentLength()],
] as const;

describe('an image comes from a registry that sends', () => {
  for (const [what, match, ...faults] of oddities) {
    it(what, async (t) => {
      const registry = await startFakeRegistry();
      t.after(() => registry.stop());
      registry.putImage('team/app', '1', image);
      registry.on(match, ...faults);
      const registries = `[[registry]]\nlocation = "${registry.host}"\ninsecure = true\n`;
      const proxy = await startApp(t, { registries });
      const pull = (path: string, headers = {}) =>
        get(`${proxy.url}/v2/${registry.host}/team/app/${path}`, { headers });

      const part = await pull(`blobs/${page.digest}`, { range: 'bytes=5-9' });
      assert.equal(part.body.toString(), page.bytes(5, 10).toString());
      const manifest = await pull('manifests/1');
      assert.deepEqual(manifest.body, image.bytes);
      for (const blob of image.blobs) {
        const got = await pull(`blobs/${blob.digest}`);
        assert.deepEqual([got.status, got.complete], [200, true]);
        assert.deepEqual(got.body, blob.bytes());
      }
    });
  }
});
