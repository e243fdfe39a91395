/** Every question to every registry of a group, and the same question to Entrepot in front of it, cold and warm. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { json } from '../http-client.ts';
import { see, unexplained } from './differences.ts';
import type { Personality } from './personality.ts';
import { askPlainly } from './plain-client.ts';
import { type Question, questions } from './questions.ts';
import type { Group } from './registries.ts';
import { createWorld, type World } from './world.ts';

export function describeDifferential({ title, members }: Group): void {
  describe(`${title}: what a client gets through Entrepot`, () => {
    for (const personality of members) {
      if (personality.knownGaps?.all !== undefined) continue;
      it(`is what it gets from ${personality.name} itself`, async (t) => {
        const direct = await createWorld(t, personality, false);
        const through = await createWorld(t, personality, false);
        const wrong: string[] = [];
        for (const when of ['cold', 'warm']) {
          for (const one of questions) {
            if (isLeftOut(personality, one)) continue;
            const isOpen = one.about === 'forbidden' && personality.forbidden === undefined;
            const question: Question = isOpen ? { ...one, about: 'present' } : one;
            const there = see(question, await askDirectly(direct, question));
            const { method, repository, path, headers } = question;
            const here = see(question, await through.ask(repository, path, { method, headers }));
            const told = `${when}: ${method} ${repository}/${path} ${headers.range ?? ''}: `;
            wrong.push(...unexplained({ question, direct: there, through: here }).map((one) => told + one));
          }
          await through.settle();
        }
        assert.deepEqual(wrong, []);
      });
    }
  });
}

/** A direct client reads all pages of a list, as far as it can. */
async function askDirectly({ gallery }: World, { method, repository, path, headers }: Question) {
  const ask = (target: string) =>
    askPlainly(gallery.url, { method, path: target, headers }, gallery.account).catch(() => undefined);
  const first = await ask(`/v2/${repository}/${path}`);
  if (!path.startsWith('tags/') || first?.status !== 200) return first;
  const tags = [...(json(first) as { tags: string[] }).tags];
  for (let page = first; page.headers.link !== undefined; ) {
    const last = encodeURIComponent(tags.at(-1) ?? '');
    const next = await ask(`/v2/${repository}/tags/list?n=1000&last=${last}`);
    if (next?.status !== 200) return next;
    tags.push(...(json(next) as { tags: string[] }).tags);
    page = next;
  }
  return { ...first, body: Buffer.from(JSON.stringify({ tags })) };
}

function isLeftOut({ knownGaps = {} }: Personality, { headers }: Question): boolean {
  return knownGaps.range !== undefined && headers.range !== undefined;
}
