/**
 * The folder of a registry, as oc-mirror v2 packs its cache (distribution, `registry/storage/paths.go`):
 *
 *   docker/registry/v2/blobs/sha256/ab/HEX/data
 *   docker/registry/v2/repositories/REPOSITORY/_manifests/tags/TAG/current/link
 *   docker/registry/v2/repositories/REPOSITORY/_manifests/revisions/sha256/HEX/link
 *   docker/registry/v2/repositories/REPOSITORY/_layers/sha256/HEX/link        of no use here
 *
 * It names repositories without their registry. Beside it oc-mirror packs `working-dir/`, its own state, and the configuration `isc_...`.
 */
import { EntrepotError } from '../../errors.ts';
import { type Digest, parseDigest } from '../../oci/digest.ts';
import { isDomain, parseReference, parseTag, referenceName } from '../../oci/reference.ts';
import { type Archive, maxRefs, type ReadOptions, type WantedRef } from './archive.ts';

export interface RegistryTree {
  /** Whether the path belongs to such a folder, or lies beside it. */
  owns(path: string): boolean;
  /** The content at the path, if it is one. */
  digestOf(path: string): Digest | undefined;
  isLink(path: string): boolean;
  /** Takes what a link says. Throws EntrepotError BUNDLE_INVALID. */
  link(path: string, bytes: Uint8Array): void;
  readonly isEmpty: boolean;
  /** Throws EntrepotError: USAGE without `--name REGISTRY`, BUNDLE_INVALID for a wrong repository. */
  archive(options: ReadOptions): Archive;
}

const root = 'docker/registry/v2/';
const dataForm = /^docker\/registry\/v2\/blobs\/(sha256|sha512)\/[a-f0-9]{2}\/([a-f0-9]+)\/data$/;
const linkForm =
  /^docker\/registry\/v2\/repositories\/(.+)\/_manifests\/(?:tags\/([^/]+)\/current|revisions\/(?:sha256|sha512)\/[a-f0-9]+)\/link$/;
const beside = /^(?:working-dir\/|isc_|image-set-config)/;

/** `file`: for messages. */
export function createRegistryTree(file: string): RegistryTree {
  const found: { repository: string; tag: string | undefined; digest: Digest }[] = [];
  let isTree = false;
  let hasState = false;
  const fail = (problem: string): never => {
    throw new EntrepotError('BUNDLE_INVALID', problem, { file });
  };

  return {
    owns(path) {
      if (beside.test(path)) {
        hasState = true;
        return true;
      }
      if (!path.startsWith(root)) return false;
      isTree = true;
      return true;
    },
    digestOf(path) {
      const [, algorithm, hex] = dataForm.exec(path) ?? [];
      return parseDigest(`${algorithm}:${hex}`);
    },
    isLink: (path) => linkForm.test(path),
    link(path, bytes) {
      const [, repository = '', tag] = linkForm.exec(path) ?? [];
      const digest =
        parseDigest(Buffer.from(bytes).toString('latin1').trim()) ?? fail(`${path} holds no digest`);
      found.push({ repository, tag, digest });
      if (found.length > maxRefs) fail(`names more than ${maxRefs} images`);
    },
    get isEmpty() {
      return !isTree;
    },
    archive({ name }) {
      if (name === undefined) {
        const message =
          'is the folder of a registry, which does not say its name: give it with --name, such as --name registry.redhat.io';
        throw new EntrepotError('USAGE', message, { file });
      }
      if (!isDomain(name))
        throw new EntrepotError('USAGE', `--name ${JSON.stringify(name)} is no registry`, { file });
      const tagged = new Set(
        found.flatMap((one) => (one.tag === undefined ? [] : [`${one.repository}@${one.digest}`])),
      );
      const refs = found.flatMap(({ repository, tag: text, digest }): readonly WantedRef[] => {
        if (text === undefined && tagged.has(`${repository}@${digest}`)) return [];
        const parsed = parseReference(`${name}/${repository}`);
        if (!parsed.ok)
          return fail(
            `has the repository ${JSON.stringify(repository.slice(0, 200))}, which ${parsed.problem}`,
          );
        const tag =
          text === undefined ? null : (parseTag(text) ?? fail(`has the wrong tag ${JSON.stringify(text)}`));
        return [{ name: referenceName(parsed.value), tag, digest }];
      });
      const note = 'working-dir/ is the state of oc-mirror itself: it is left out';
      return { format: 'registry-tree', refs, notes: hasState ? [note] : [] };
    },
  };
}
