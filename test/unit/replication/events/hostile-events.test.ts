/** Anything may come in an event: it never throws, and never names an image outside the registry of its sender. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventFormats } from '../../../../src/config/event-senders.ts';
import type { JobInbox, Notice } from '../../../../src/jobs/job-inbox.ts';
import { systemClock } from '../../../../src/lib/clock.ts';
import { parseReference, referenceName } from '../../../../src/oci/reference.ts';
import { createEventSources } from '../../../../src/replication/events/event-sources.ts';
import { readImageChange } from '../../../../src/replication/image-change.ts';

const registries = ['docker.io', 'registry.corp:5050', 'localhost'];
const digest = `sha256:${'a'.repeat(64)}`;

/** A sender of each format and registry, and what it has put into its inbox. */
function sources() {
  const notices: Notice[] = [];
  const inbox: JobInbox = {
    async take(some) {
      notices.push(...some);
      return some.map(() => 'added');
    },
  };
  const senders = registries.flatMap((registry) =>
    eventFormats.map((format) => ({
      ...{ name: `${format} of ${registry}`, format, registry },
      ...{ secretFile: '/secret', signatureHeader: 'x', secretInPath: false, match: '**' },
    })),
  );
  const deps = { inbox, clock: systemClock, ownAgent: undefined };
  return { all: [...createEventSources(deps, senders).values()], notices };
}

const name = fc.oneof(
  fc.constantFrom(
    'app',
    'team/app',
    'evil.example/app',
    '../app',
    'a//b',
    'APP',
    'registry.corp:5050/x',
    '',
    '__proto__',
  ),
  fc.string({ maxLength: 300 }),
);
const tag = fc.oneof(fc.constantFrom('v1', digest, 'a/b', '-x', ' '), fc.string({ maxLength: 200 }));
const anything = fc.oneof(fc.jsonValue(), name, tag);

/** Objects with the members that readers look for, each of any form. */
const shaped = fc.record(
  {
    events: fc.oneof(fc.array(anything, { maxLength: 3 }), anything),
    id: anything,
    type: fc.oneof(
      fc.constantFrom(
        'PUSH_ARTIFACT',
        'DELETE_ARTIFACT',
        'harbor.artifact.pushed',
        'zotregistry.image.updated',
        'toString',
      ),
      anything,
    ),
    specversion: anything,
    source: anything,
    action: fc.constantFrom('push', 'delete', 'mount', 'pull'),
    target: fc.record(
      { repository: name, tag, digest: tag, mediaType: anything },
      { requiredKeys: ['repository'] },
    ),
    data: fc.oneof(
      fc.record({ name, reference: tag, digest: anything }),
      fc.record({
        repository: fc.record({ repo_full_name: name }),
        resources: fc.array(fc.record({ tag, digest: tag })),
      }),
      anything,
    ),
    occur_at: anything,
    event_data: fc.record({
      repository: fc.record({ repo_full_name: name }),
      resources: fc.array(fc.oneof(fc.record({ tag, digest: tag }), anything), { maxLength: 5 }),
    }),
    push_data: fc.oneof(fc.record({ tag }), anything),
    repository: fc.oneof(fc.record({ repo_name: name }), name),
    updated_tags: fc.oneof(fc.array(anything), fc.dictionary(tag, anything), anything),
  },
  { requiredKeys: [] },
);
const body = fc.oneof(
  shaped,
  fc.array(shaped, { maxLength: 5 }),
  fc.record({ events: fc.array(shaped) }),
  fc.jsonValue(),
);

test('no body makes a reader throw, or names an image outside the registry of its sender', async () => {
  const seed = Number(process.env.SEED ?? Date.now());
  let changes = 0;
  await fc.assert(
    fc.asyncProperty(
      body,
      fc.dictionary(fc.constantFrom('ce-type', 'ce-id', 'ce-source'), name),
      async (sent, headers) => {
        const { all, notices } = sources();
        for (const { receive, settings } of all) {
          const { accepted, duplicate, ignored, reasons } = await receive(sent, (header) => headers[header]);
          assert.ok(accepted + duplicate + ignored >= 0);
          assert.ok(reasons.every((reason) => reason.length < 60));
          for (const { jobs, fingerprint } of notices.splice(0)) {
            changes += 1;
            assert.ok(fingerprint === undefined || fingerprint.length <= 64);
            const change = readImageChange(jobs[0].arguments);
            assert.ok(change, 'a job that its kind can read');
            assert.ok(change.image.startsWith(`${settings.registry}/`), change.image);
            const parsed = parseReference(change.image);
            assert.ok(parsed.ok && parsed.value.registry === settings.registry);
            assert.equal(referenceName(parsed.value), change.image);
          }
        }
      },
    ),
    { numRuns: 400, seed },
  );
  assert.ok(changes > 0);
});
