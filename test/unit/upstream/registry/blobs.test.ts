import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OpenRange } from '../../../../src/lib/bytes/byte-range.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import { judgeBlob } from '../../../../src/upstream/registry/blobs.ts';

describe('the headers of a blob', () => {
  const digest = `sha256:${'a'.repeat(64)}` as Digest;
  const body = { consume() {}, resume() {}, cancel() {} };
  function judge(status: number, headers: Record<string, string>, span?: OpenRange) {
    const outcome = judgeBlob({ status, headers, body, url: new URL('https://x') }, digest, span);
    return outcome.kind === 'ok'
      ? [outcome.value.start, outcome.value.end, outcome.value.size]
      : outcome.kind;
  }

  it('tell where the bytes lie', () => {
    assert.deepEqual(judge(200, { 'content-length': '9' }), [0, 9, 9]);
    assert.deepEqual(judge(200, {}), [0, undefined, undefined]);
    assert.deepEqual(judge(200, { 'content-length': '-1' }), [0, undefined, undefined]);
    assert.deepEqual(judge(200, { 'content-length': '9' }, { start: 4 }), [0, 9, 9]);
    assert.deepEqual(judge(206, { 'content-range': 'bytes 4-8/9' }, { start: 4 }), [4, 9, 9]);
    assert.deepEqual(
      judge(206, { 'content-range': 'bytes 4-5/*', 'content-length': '2' }, { start: 4, end: 8 }),
      [4, 6, undefined],
    );
  });

  it('tell a part from a whole by their numbers, though the status is 200', () => {
    const part = { 'content-range': 'bytes 4-5/9', 'content-length': '2' };
    assert.deepEqual(judge(200, part, { start: 4, end: 6 }), [4, 6, 9]);
    assert.deepEqual(judge(200, { ...part, 'content-length': '9' }, { start: 4 }), [0, 9, 9]);
    assert.equal(judge(200, part), 'invalid');
    assert.equal(judge(200, part, { start: 3 }), 'invalid');
    assert.equal(judge(200, { ...part, 'content-length': '5' }, { start: 4 }), 'invalid');
    assert.deepEqual(judge(200, { 'content-range': 'bytes 0-8/9', 'content-length': '9' }), [0, 9, 9]);
  });

  it('tell a whole from a part by their numbers, though the status is 206', () => {
    const whole = { 'content-range': 'bytes 0-8/9' };
    assert.deepEqual(judge(206, whole), [0, 9, 9]);
    assert.deepEqual(judge(206, whole, { start: 4 }), [0, 9, 9]);
    assert.deepEqual(judge(200, whole), [0, 9, 9]);
    assert.deepEqual(judge(200, whole, { start: 4, end: 6 }), [0, 9, 9]);
    assert.equal(judge(206, { ...whole, 'content-length': '8' }), 'invalid');
  });

  it('may give the first part of what is asked for', () => {
    assert.deepEqual(judge(206, { 'content-range': 'bytes 0-4/9', 'content-length': '5' }), [0, 5, 9]);
    assert.deepEqual(judge(206, { 'content-range': 'bytes 0-8/*' }), [0, 9, undefined]);
  });

  it('may name a type of page if they name the digest, too', () => {
    const page = { 'content-type': 'text/html; charset=utf-8', 'content-length': '9' };
    assert.deepEqual(judge(200, { ...page, 'docker-content-digest': digest }), [0, 9, 9]);
    assert.equal(judge(200, page), 'invalid');
    assert.equal(judge(200, { ...page, 'docker-content-digest': digest.replaceAll('a', 'b') }), 'invalid');
  });

  it('are refused when they contradict the question, or each other', () => {
    assert.equal(judge(206, { 'content-range': 'bytes 4-8/9' }), 'invalid');
    assert.equal(judge(206, {}), 'invalid');
    assert.equal(judge(206, {}, { start: 4 }), 'invalid');
    assert.equal(judge(206, { 'content-range': 'bytes 3-8/9' }, { start: 4 }), 'invalid');
    assert.equal(judge(206, { 'content-range': 'bytes 4-8/9' }, { start: 4, end: 6 }), 'invalid');
    assert.equal(
      judge(206, { 'content-range': 'bytes 4-8/9', 'content-length': '9' }, { start: 4 }),
      'invalid',
    );
    assert.equal(judge(206, { 'content-type': 'multipart/byteranges; boundary=x' }, { start: 4 }), 'invalid');
    assert.equal(judge(200, { 'content-encoding': 'gzip' }), 'invalid');
    assert.equal(judge(200, { 'content-encoding': 'aws-chunked, X-GZIP' }), 'invalid');
    for (const encoding of ['identity', '', 'aws-chunked', 'none', 'UTF-8']) {
      assert.deepEqual(judge(200, { 'content-encoding': encoding, 'content-length': '1' }), [0, 1, 1]);
    }
  });
});
