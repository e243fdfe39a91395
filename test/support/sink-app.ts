/** An app that takes pushes and tells one sink of them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { AppDeps } from '../../src/app.ts';
import { startApp } from './app.ts';
import { type EventReceiver, startEventReceiver } from './event-receiver.ts';
import { imageManifest, pusher, sha256 } from './pusher.ts';
import { tempFolder } from './temp-folder.ts';

export const image = 'images.local/team/app';
/** In the file `secret`. */
export const secret = 'Bearer 4f0c9a6d21be';
export const rules = `
[access]
anonymous = ["pull", "push", "delete"]
[[push]]
match = "images.local/**"
mode = "local"
delete = true
`;

interface Started {
  /** Lines of the `[[events.out]]`. */
  readonly sink?: string;
  readonly more?: string;
  /** Lines before the first table. */
  readonly top?: string;
  readonly deps?: Partial<AppDeps>;
  readonly registries?: string;
}

/** `[[events.out]]` of this receiver. */
export function sinkOf({ url }: Pick<EventReceiver, 'url'>, name: string, lines: string): string {
  return `[[events.out]]\nname = "${name}"\nurl = "${url}/hook"\n${lines}\n`;
}

/** An app with one sink, and a client that pushes to it. */
export async function startWithSink(
  t: TestContext,
  { sink = '', more = '', top = '', deps = {}, registries = '' }: Started = {},
) {
  const receiver = await startEventReceiver(t);
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'secret'), `${secret}\n`);
  const toml = `${top}\n${rules}${more}\n${sinkOf(receiver, 'audit', sink || 'format = "cloudevents"')}`;
  const app = await startApp(t, { registries, toml, folder }, deps);
  const client = pusher(app.url, image);
  return {
    receiver,
    app,
    client,
    /** Pushes an image of these texts. Gives its digest. */
    async push(reference: string, ...blobs: readonly string[]): Promise<string> {
      for (const blob of blobs) await client.blob(blob);
      const json = imageManifest(blobs);
      const { status, body } = await client.manifest(reference, json);
      assert.equal(status, 201, body.toString());
      return sha256(JSON.stringify(json));
    },
  };
}
