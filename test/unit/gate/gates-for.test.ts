/** Which gates hold for an image, and what `explain` says of them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LoadedGate } from '../../../src/config/gates/gate-config.ts';
import type { Requirement } from '../../../src/config/gates/policy.ts';
import { explainGates } from '../../../src/gate/gates-for.ts';
import { parseReference } from '../../../src/oci/reference.ts';

const requirement = (field: string, type: 'reject' | 'insecureAcceptAnything'): Requirement => ({
  field,
  type,
});

function signature(name: string, match: string, on: LoadedGate['on'] = ['pull']): LoadedGate {
  return {
    ...{ kind: 'signature', name, match, on, timeout: 1, keep: 1, bundles: false },
    ...{ policy: '/p.json', registriesD: '/d', lookasides: { docker: new Map(), default: undefined } },
    rules: {
      file: '/p.json',
      default: [requirement('default[0]', 'reject')],
      docker: new Map([
        ['quay.io', [requirement('transports.docker["quay.io"][0]', 'insecureAcceptAnything')]],
      ]),
    },
  };
}

const scanner: LoadedGate = {
  ...{ kind: 'scanner', name: 'scan', match: '**', on: ['pull', 'sync'], timeout: 1, keep: 1 },
  ...{ format: 'webhook', url: 'http://scan', secretFile: undefined, fail: 'open', severity: 'high' },
  ...{ ignore: ['CVE-1'], contentUrl: undefined, contentSecretFile: undefined },
};

function explained(text: string, gates: readonly LoadedGate[]) {
  const parsed = parseReference(text);
  assert.ok(parsed.ok);
  return explainGates(gates, parsed.value).map(({ name, rule }) => [name, rule]);
}

describe('the gates of an image', () => {
  it('are of each kind the first one that matches', () => {
    const gates = [
      signature('hub', 'docker.io/**'),
      scanner,
      signature('rest', '**'),
      signature('late', '**'),
    ];
    assert.deepEqual(explained('alpine:1', gates), [
      ['hub', '/p.json: default: reject'],
      ['scan', 'severity = "high", 1 ignored, fail = "open"'],
    ]);
    assert.deepEqual(explained('quay.io/a:1', gates), [
      ['scan', 'severity = "high", 1 ignored, fail = "open"'],
      ['rest', '/p.json: transports.docker["quay.io"]: insecureAcceptAnything'],
    ]);
  });

  it('are chosen for each occasion by itself', () => {
    const gates = [signature('syncs', '**', ['sync']), signature('pulls', '**')];
    assert.deepEqual(
      explained('alpine:1', gates).map(([name]) => name),
      ['pulls', 'syncs'],
    );
  });
});
