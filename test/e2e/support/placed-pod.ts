/** What a pod of the Helm chart would see: the files of its ConfigMap and its Secrets, below a folder, and its variables. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createCertificateAuthority } from '../../support/certificates.ts';
import { type KubernetesObject, podsOf } from '../../support/helm-chart.ts';
import { place } from './client.ts';

export interface PlacedPod {
  /** Flags that name the configuration. */
  readonly flags: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
}

/** Folders of the image and of the chart's volumes, in the texts of the configuration. */
const paths = /(?<=["=]|^)(?=\/(?:run\/entrepot|run\/secrets|etc\/entrepot|var\/lib\/entrepot)(?:\/|"|$))/gm;

/** By the name of a file in a Secret; what each real one would have. */
function secretTexts(): Readonly<Record<string, string>> {
  const authority = createCertificateAuthority();
  const { key, cert } = authority.issue();
  return {
    'tls.crt': cert,
    'tls.key': key,
    'ca.crt': authority.cert,
    htpasswd: 'ci:$2y$05$abcdefghijklmnopqrstuuu5Qf1v1bB4yNqf8y0rF0zGmVf5c8sFi\n',
    'auth.json': '{"auths":{"mirror.corp":{"auth":"YTpi"}}}',
    secret: Buffer.alloc(32, 7).toString('base64'),
    url: 'postgresql://entrepot:secret@db.corp/entrepot?sslmode=require\n',
    'access-key': 'AKIAEXAMPLE\n',
    'secret-key': 'example\n',
    'account-key': 'ZXhhbXBsZQ==\n',
    password: 'example\n',
  };
}

/** Puts the files of the pod of `objects` below `folder`. */
export function placePod(objects: readonly KubernetesObject[], folder: string): PlacedPod {
  const [pod] = objects.filter(({ kind }) => kind !== 'Pod').flatMap(podsOf);
  const [container] = pod?.containers ?? [];
  const texts = secretTexts();
  const local = (text: string) => text.replaceAll(paths, folder);
  for (const { name, mountPath } of container?.volumeMounts ?? []) {
    const where = join(folder, mountPath);
    mkdirSync(where, { recursive: true });
    const { secret, configMap } = pod?.volumes?.find((volume) => volume.name === name) ?? {};
    const own = objects.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMap?.name,
    );
    for (const [file, text] of Object.entries(own?.data ?? {})) place(join(where, file), local(text));
    const named = (secret ?? configMap)?.items?.map(({ path }) => path);
    if (!secret && !named) continue;
    for (const file of named ?? Object.keys(texts)) place(join(where, file), texts[file] ?? '');
  }
  const given = (container?.env ?? []).flatMap(({ name, value }) =>
    value === undefined ? [] : [[name, value]],
  );
  const variables = given.map(([name = '', value = '']) => [name, local(value)]);
  return {
    flags: ['--config', join(folder, 'etc/entrepot/entrepot.toml')],
    variables: Object.fromEntries(variables),
  };
}
