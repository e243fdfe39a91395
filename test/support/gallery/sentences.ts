/**
 * What is true of every registry, in the same words for each. A sentence gets a world of its own. The words `cold`, `warm` and
 * `stopped` in an assertion say whether Entrepot had the content, and whether the registry still answered.
 */
import assert from 'node:assert/strict';
import { status } from '../fake-registry-faults.ts';
import { json } from '../http-client.ts';
import {
  absentDigest,
  app,
  names,
  nextApp,
  other,
  referrers,
  sbom,
  secret,
  sharedLayer,
  tagsOf,
} from './content.ts';
import type { Personality } from './personality.ts';
import { askPlainly } from './plain-client.ts';
import { digestsIn, pullBlobs, pullImage, readRanges } from './pulls.ts';
import type { World } from './world.ts';

export interface Sentence {
  /** After the name of a registry. */
  readonly text: string;
  /** Head of its column in docs/registries.md. */
  readonly column: string;
  /** Whether it is said behind a second Entrepot, too. */
  readonly chained: boolean;
  /** Default: to every registry. */
  readonly appliesTo?: (personality: Personality) => boolean;
  readonly holds: (world: World) => Promise<void>;
}

const minute = 61_000;

export const sentences: readonly Sentence[] = [
  {
    text: 'gives an image by tag and by digest: cold, warm, and while it is stopped',
    column: 'pull',
    chained: true,
    async holds(world) {
      await pullImage(world, names.app, '1', app, 'cold');
      await world.settle();
      const asked = world.gallery.registry.count({ kind: 'blob', method: 'GET' });
      await pullImage(world, names.app, '1', app, 'warm');
      assert.equal(
        world.gallery.registry.count({ kind: 'blob', method: 'GET' }),
        asked,
        'warm: no blob is asked for',
      );
      await world.stopOrigin();
      await world.clock.advance(minute);
      await pullImage(world, names.app, '1', app, 'stopped');
    },
  },
  {
    text: 'gives a shared layer to both repositories',
    column: 'shared layer',
    chained: false,
    async holds(world) {
      await pullImage(world, names.app, '1', app, 'the first, cold');
      await pullImage(world, names.other, '1', other, 'the second, cold');
      await world.settle();
      await world.stopOrigin();
      await pullImage(world, names.other, '1', other, 'the second, stopped');
    },
  },
  {
    text: 'answers HEAD of a blob that was never pulled, with its size if the registry states one',
    column: 'HEAD first',
    chained: true,
    async holds({ gallery, ask }) {
      for (const repository of [names.other, names.app]) {
        const head = await ask(repository, `blobs/${sharedLayer.digest}`, { method: 'HEAD' });
        const size = gallery.personality.blobs?.chunked ? undefined : String(sharedLayer.size);
        assert.equal(head.status, 200);
        if (size !== undefined) assert.equal(head.headers['content-length'], size);
        const whole = await ask(repository, `blobs/${sharedLayer.digest}`);
        assert.deepEqual([whole.status, whole.body.length, whole.complete], [200, sharedLayer.size, true]);
      }
    },
  },
  {
    text: 'gives ranges of a blob: cold, warm, and while it is stopped',
    column: 'range',
    chained: false,
    async holds(world) {
      await readRanges(world, 'cold');
      const whole = await world.ask(names.app, `blobs/${sharedLayer.digest}`);
      assert.equal(whole.body.length, sharedLayer.size);
      await world.settle();
      await readRanges(world, 'warm');
      await world.stopOrigin();
      await readRanges(world, 'stopped');
    },
  },
  {
    text: 'gives the new image of a moved tag, once the tag is no longer fresh',
    column: 'moved tag',
    chained: false,
    async holds({ gallery, clock, ask, stopOrigin }) {
      const digest = async () => (await ask(names.app, 'manifests/1')).headers['docker-content-digest'];
      assert.equal(await digest(), app.digest);
      gallery.moveTag();
      assert.equal(await digest(), app.digest, 'fresh for a minute');
      await clock.advance(minute);
      assert.equal(await digest(), nextApp.digest, 'asked again');
      await stopOrigin();
      await clock.advance(minute);
      assert.equal(await digest(), nextApp.digest, 'stopped');
    },
  },
  {
    text: 'lets a pull continue if its token or password expires early',
    column: 'expired early',
    chained: false,
    appliesTo: ({ access }) => access.kind !== 'open',
    async holds(world) {
      const { gallery, ask, login } = world;
      assert.equal((await ask(names.app, 'manifests/1')).status, 200);
      gallery.endCredentials();
      login();
      await pullBlobs(world, names.app, app, 'blobs');
      gallery.endCredentials();
      login();
      const child = app.images[0]!;
      assert.equal((await ask(names.app, `manifests/${child.digest}`)).status, 200, 'a manifest');
      gallery.endCredentials();
      login();
      assert.equal((await ask(names.app, 'tags/list')).status, 200, 'the tag list');
    },
  },
  {
    text: 'lets a pull continue if its token expires on time',
    column: 'expired on time',
    chained: false,
    appliesTo: ({ access }) => access.kind === 'bearer',
    async holds(world) {
      const { access } = world.gallery.personality;
      assert.equal((await world.ask(names.app, 'manifests/1')).status, 200);
      await world.clock.advance(access.kind === 'bearer' ? access.lifetime * 1000 + 1000 : 0);
      await pullBlobs(world, names.app, app, 'blobs');
    },
  },
  {
    text: 'gives its whole tag list: cold, warm, and while it is stopped',
    column: 'tag list',
    chained: false,
    appliesTo: ({ tags }) => tags?.link !== 'none',
    async holds({ gallery, clock, ask, stopOrigin }) {
      const listed = async (when: string) => {
        const answer = await ask(names.app, 'tags/list');
        assert.equal(answer.status, 200, `${when}: ${answer.body}`);
        const { tags } = json(answer) as { tags: string[] };
        assert.deepEqual([...tags].sort(), tagsOf(gallery.personality), when);
      };
      await listed('cold');
      await listed('warm');
      await stopOrigin();
      await clock.advance(minute);
      await listed('stopped');
    },
  },
  {
    text: 'gives its referrers, filtered on request: cold, warm, and while it is stopped',
    column: 'referrers',
    chained: false,
    async holds({ gallery, clock, ask, stopOrigin }) {
      const known = gallery.personality.referrers === 'subject' ? [] : referrers;
      const expected = known.map(({ digest }) => digest).sort();
      const typed = known.filter((artifact) => artifact === sbom).map(({ digest }) => digest);
      const listed = async (when: string) => {
        const all = await ask(names.app, `referrers/${app.digest}`);
        assert.deepEqual(digestsIn(all), expected, when);
        const some = await ask(names.app, `referrers/${app.digest}?artifactType=application/spdx%2Bjson`);
        assert.deepEqual(digestsIn(some), typed, `${when}, filtered`);
      };
      await listed('cold');
      await listed('warm');
      await stopOrigin();
      await clock.advance(minute);
      await listed('stopped');
    },
  },
  {
    text: 'says 404 for what a repository does not have, until the repository has it',
    column: 'missing',
    chained: true,
    async holds({ gallery, clock, ask }) {
      for (const path of ['manifests/later', `manifests/${absentDigest}`, `blobs/${absentDigest}`]) {
        for (const method of ['HEAD', 'GET']) {
          const answer = await ask(names.app, path, { method });
          assert.equal(answer.status, 404, `${method} ${path}: ${answer.body}`);
        }
      }
      gallery.registry.putManifest(names.app, 'later', app);
      await clock.advance(minute);
      assert.equal((await ask(names.app, 'manifests/later')).status, 200);
    },
  },
  {
    text: 'never gives forbidden content, and gives it as soon as it is allowed',
    column: 'forbidden',
    chained: true,
    appliesTo: ({ forbidden }) => forbidden !== undefined,
    async holds({ gallery, clock, ask }) {
      const paths = [
        'manifests/1',
        `manifests/${secret.digest}`,
        `blobs/${secret.layers[0]!.digest}`,
        'tags/list',
      ];
      for (const path of paths) {
        for (const method of ['HEAD', 'GET'] as const) {
          const direct = await askPlainly(
            gallery.url,
            { method, path: `/v2/${names.secret}/${path}` },
            gallery.account,
          );
          const answer = await ask(names.secret, path, { method });
          const right = direct.status === 404 ? [404] : [401, 403, 502];
          assert.ok(right.includes(answer.status), `${method} ${path}: ${answer.status} ${answer.body}`);
        }
      }
      gallery.forbids = false;
      await clock.advance(minute);
      for (const path of paths) {
        const answer = await ask(names.secret, path);
        assert.equal(answer.status, 200, `${path}, once it is allowed: ${answer.body}`);
      }
    },
  },
  {
    text: 'serves cached content while it limits requests',
    column: '429',
    chained: false,
    async holds({ gallery, clock, ask }) {
      assert.equal((await ask(names.app, 'manifests/1')).status, 200);
      const {
        status: code,
        headers = {},
        message = 'too many requests',
      } = gallery.personality.tooMany ?? { status: 429 };
      const body = JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS', message }] });
      const rule = gallery.registry.on({ early: true }, status(code, headers, body));
      await clock.advance(minute);
      const kept = await ask(names.app, 'manifests/1');
      assert.deepEqual([kept.status, kept.headers['docker-content-digest']], [200, app.digest]);
      assert.equal((await ask(names.other, 'manifests/1')).status, 503, 'not cached: never 404');
      rule.remove();
      await clock.advance(60 * minute);
      assert.equal((await ask(names.other, 'manifests/1')).status, 200, 'the limit is over');
    },
  },
];
