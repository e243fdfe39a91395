/** skopeo, by URL: the registry is the first component of the path. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from './client.ts';
import { sha256 } from './images.ts';
import { run } from './programs.ts';
import { command } from './snippets.ts';

export const skopeo: Client = {
  name: 'skopeo',
  programs: ['skopeo'],
  registry: 'quay.io',
  keeps: 'layers',
  async pull({ image, entrepot, folder, env }) {
    const source = `docker://${entrepot}/${image}`;
    const target = join(folder, 'image');
    const [program = '', ...args] = command('skopeo', entrepot).map((word) => {
      if (word.startsWith('docker://')) return source;
      return word.startsWith('dir:') ? `dir:${target}` : word;
    });
    await run(program, args, env);
    const manifest = JSON.parse(readFileSync(join(target, 'manifest.json'), 'utf8')) as {
      layers: { digest: string }[];
    };
    const layers = manifest.layers.map(({ digest }) =>
      sha256(readFileSync(join(target, digest.replace('sha256:', '')))),
    );
    // Of an index, the copy has the one image; the digest that the tag stands for is what `inspect` says.
    const plain = ['--tls-verify=false', '--no-tags'];
    const digest = await run(program, ['inspect', ...plain, '--format', '{{.Digest}}', source], env);
    return { digest: digest.trim(), layers };
  },
};
