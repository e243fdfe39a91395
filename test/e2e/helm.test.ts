/** The Helm chart, rendered by Helm: what comes out is right for Kubernetes, safe, and a configuration that Entrepot takes. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { parse } from 'yaml';
import { watchedKinds } from '../../src/kubernetes/object-table.ts';
import {
  type Container,
  chart,
  copies,
  exampleNames,
  examples,
  objectsOf,
  type PodSpec,
  podsOf,
} from '../support/helm-chart.ts';
import { runEntrepot } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { hasPrograms } from './support/equipment.ts';
import { writeSchemas } from './support/kubernetes-schemas.ts';
import { placePod } from './support/placed-pod.ts';
import { type Environment, run } from './support/programs.ts';

const goldens = join(import.meta.dirname, '../support/helm/rendered');
/** A helm that `go install` has built knows no version of Kubernetes that it was made for. */
const version = ['--kube-version', '1.30.0'];

function environment(t: TestContext): Environment {
  const { HOME = '/' } = process.env;
  const go = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^GO[A-Z]*$/.test(name)));
  const folder = tempFolder(t);
  return { HOME, ...go, HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder };
}

async function render(env: Environment, ...args: readonly string[]): Promise<string> {
  return await run(
    'helm',
    ['template', 'entrepot', chart, '--namespace', 'images', ...version, ...args],
    env,
  );
}

function example(name: string): readonly string[] {
  return ['--values', join(examples, `${name}.yaml`)];
}

/** Without the alerts and the dashboard, which are files of their own. */
function withoutCopies(rendered: string): string {
  return rendered
    .replace(/^ {2}groups:\n(?: {2}.*\n)+/m, '  groups: # deploy/prometheus/alerts.yaml\n')
    .replace(/^ {2}entrepot\.json: ".*$/m, '  entrepot.json: # deploy/grafana/entrepot.json');
}

/** What kube-score would have otherwise, and why the chart has it so. A limit of processor time would hold up a server that has room. */
const wantedFaults: Readonly<Record<string, string>> = {
  'container-image-pull-policy':
    'the image is named by its version, and a node without a network must start it',
  'container-ephemeral-storage-request-and-limit': 'the root is read-only; what is written goes to a volume',
  'container-security-context-user-group-id': 'the user of the image is 1000; OpenShift gives another one',
  'pod-networkpolicy': 'the pod of `helm test` lives for seconds; the policy for the server is a value',
  'pod-probes-identical': 'with client certificates, a probe can only connect',
  'service-type': 'a DaemonSet is reached at a port of its node',
  'statefulset-has-host-podantiaffinity': 'replicas are spread by topologySpreadConstraints',
  'statefulset-has-servicename': 'a single replica needs no name of its own',
};

describe('the Helm chart', () => {
  for (const name of exampleNames) {
    it(`gives for examples/${name}.yaml what it gave before (UPDATE=1 writes it)`, async (t) => {
      if (!hasPrograms(t, ['helm'])) return;
      const rendered = withoutCopies(await render(environment(t), ...example(name)));
      const golden = join(goldens, `${name}.yaml`);
      if (process.env.UPDATE === '1') {
        mkdirSync(goldens, { recursive: true });
        writeFileSync(golden, rendered);
      }
      assert.equal(rendered, readFileSync(golden, 'utf8'));
    });
  }

  it('has no fault that helm lint finds, with any example', async (t) => {
    if (!hasPrograms(t, ['helm'])) return;
    const env = environment(t);
    await run('helm', ['lint', '--strict', chart, ...version], env);
    for (const name of exampleNames) {
      await run('helm', ['lint', '--strict', chart, ...version, ...example(name)], env);
    }
  });

  for (const kubernetes of ['1.27', '1.30']) {
    it(`makes objects that fit the schemas of Kubernetes ${kubernetes}`, async (t) => {
      if (!hasPrograms(t, ['helm', 'kubeconform', 'go'])) return;
      const env = environment(t);
      const folder = tempFolder(t);
      const location = await writeSchemas(join(folder, 'schemas'), kubernetes, env);
      const judge = ['-strict', '-summary', '-schema-location', location];
      const files: string[] = [];
      for (const name of ['defaults', ...exampleNames]) {
        const file = join(folder, `${name}.yaml`);
        writeFileSync(file, await render(env, ...(name === 'defaults' ? [] : example(name))));
        files.push(file);
      }
      assert.match(await run('kubeconform', [...judge, ...files], env), /Invalid: 0, Errors: 0, Skipped: 0/);
      // It would notice.
      const wrong = join(folder, 'wrong.yaml');
      writeFileSync(wrong, readFileSync(files[0]!, 'utf8').replace('containerPort', 'containerPrt'));
      await assert.rejects(run('kubeconform', [...judge, wrong], env), /containerPrt/);
    });
  }

  it('has no fault that kube-score finds, but those that are wanted', async (t) => {
    if (!hasPrograms(t, ['helm', 'kube-score'])) return;
    const env = environment(t);
    const ignored = Object.keys(wantedFaults).flatMap((name) => ['--ignore-test', name]);
    const judge = [
      'score',
      '--kubernetes-version',
      'v1.30',
      '--ignore-container-cpu-limit',
      '--exit-one-on-warning',
    ];
    const file = join(tempFolder(t), 'rendered.yaml');
    for (const name of exampleNames) {
      writeFileSync(file, await render(env, ...example(name)));
      await run('kube-score', [...judge, ...ignored, file], env);
    }
    // It would notice.
    const wrong = readFileSync(file, 'utf8').replaceAll(
      'readOnlyRootFilesystem: true',
      'readOnlyRootFilesystem: false',
    );
    writeFileSync(file, wrong);
    await assert.rejects(run('kube-score', [...judge, ...ignored, file], env), /writable root filesystem/);
  });

  it('makes pods that fit the Pod Security Standard "restricted", but for what a DaemonSet takes from its node', async (t) => {
    if (!hasPrograms(t, ['helm'])) return;
    const env = environment(t);
    let pods = 0;
    for (const name of exampleNames) {
      for (const object of objectsOf(await render(env, ...example(name)))) {
        for (const pod of podsOf(object)) {
          pods += 1;
          const taken = object.kind === 'DaemonSet' ? ofNode : [];
          assert.deepEqual(
            faultsOf(pod).toSorted(),
            taken.toSorted(),
            `${name}: ${object.kind} ${object.metadata.name}`,
          );
        }
      }
    }
    assert.ok(pods >= 2 * exampleNames.length - 1);
  });

  it('leaves user ids to OpenShift where its API is there, or values say so', async (t) => {
    if (!hasPrograms(t, ['helm'])) return;
    const env = environment(t);
    const ids = async (...args: readonly string[]) => {
      const rendered = await render(env, ...args);
      return [...rendered.matchAll(/\b(?:runAsUser|runAsGroup|fsGroup): (\d+)/g)].map(([, id]) => id);
    };
    assert.deepEqual(await ids(), ['1000', '1000', '1000', '1000']);
    assert.deepEqual(await ids('--api-versions', 'security.openshift.io/v1'), []);
    assert.deepEqual(await ids('--set', 'openshift=true'), []);
    const off = ['--set', 'openshift=false', '--set', 'security.uid=7'];
    assert.deepEqual(await ids(...off, '--api-versions', 'security.openshift.io/v1'), ['7', '7', '7', '7']);
  });

  it('has the alerts and the dashboard as they are in deploy/', async (t) => {
    if (!hasPrograms(t, ['helm'])) return;
    const [alerts, dashboard] = copies.map(({ of }) => readFileSync(of, 'utf8'));
    const objects = objectsOf(await render(environment(t), ...example('monitored')));
    const rule = objects.find(({ kind }) => kind === 'PrometheusRule');
    const linked = alerts!.replaceAll(
      'runbook_url: docs/',
      'runbook_url: https://git.corp/entrepot/blob/main/docs/',
    );
    assert.deepEqual(rule?.spec, parse(linked));
    const map = objects.find(({ metadata }) => metadata.name === 'entrepot-dashboard');
    assert.equal(map?.data?.['entrepot.json'], dashboard);
  });

  it('rolls pods only for a change that takes effect at a start', async (t) => {
    if (!hasPrograms(t, ['helm'])) return;
    const env = environment(t);
    const checksum = async (...args: readonly string[]) =>
      (await render(env, ...args)).match(/checksum\/restart: (\w+)/)?.[1];
    const usual = await checksum();
    assert.match(usual ?? '', /^[0-9a-f]{64}$/);
    assert.equal(
      await checksum('--set', 'config.cache.max_size=1GiB', '--set', 'registries=[[registry]]'),
      usual,
    );
    for (const set of [
      'facts.secret=f',
      'policies.fromKubernetes=true',
      'config.log.format=json',
      'config.store_preference=us',
    ]) {
      assert.notEqual(await checksum('--set', set), usual, set);
    }
  });

  it('names the volumes of Secrets so that each name of a Secret makes one', async (t) => {
    if (!hasPrograms(t, ['helm'])) return;
    const rendered = await render(environment(t), '--set', 'secrets={registry.corp,b}');
    assert.match(rendered, /name: secret-0, mountPath: \/run\/secrets\/registry\.corp/);
    assert.match(rendered, /name: secret-1, mountPath: \/run\/secrets\/b,/);
    assert.match(rendered, /name: secret-0\n\s+secret:\n\s+secretName: registry\.corp\n/);
  });

  it('gives the account the rights that the watch of cluster objects needs, and no other', async (t) => {
    if (!hasPrograms(t, ['helm'])) return;
    const objects = objectsOf(await render(environment(t), ...example('openshift')));
    const roles = objects.filter(({ kind }) => /Role$/.test(kind));
    assert.deepEqual(
      roles.map(({ kind }) => kind),
      ['ClusterRole'],
    );
    const granted = (roles[0]?.rules ?? []).flatMap(({ apiGroups, resources, verbs }) => {
      assert.deepEqual(verbs, ['get', 'list', 'watch']);
      return apiGroups.flatMap((group) => resources.map((resource) => `${group} ${resource}`));
    });
    const needed = watchedKinds.map(({ apiVersion, resource }) => `${apiVersion.split('/')[0]} ${resource}`);
    assert.deepEqual(granted.toSorted(), needed.toSorted());
    const without = await render(environment(t));
    assert.ok(!/Role|automountServiceAccountToken: true/.test(without));
  });

  const refused: readonly (readonly [string, RegExp])[] = [
    ['mod=cluster', /additional properties 'mod' not allowed/],
    ['mode=clustr', /'\/mode': value must be one of 'single', 'cluster', 'daemonset'/],
    ['mode=cluster', /cluster\.secret: mode cluster needs a Secret.*kubectl create secret/],
    ['replicas=0', /'\/replicas'/],
    ['image.tag=a b', /'\/image\/tag'/],
    ['config.listen=x', /'\/config': additional properties 'listen' not allowed/],
    ['config.cahce.max_size=1GiB', /'\/config': additional properties 'cahce' not allowed/],
    ['persistence.size=100GB', /'\/persistence\/size'/],
    ['service.type=nodePort', /'\/service\/type'/],
    ['service.nodePort=70000', /'\/service\/nodePort'/],
    ['security.uid=0', /'\/security\/uid'/],
    ['openshift=maybe', /'\/openshift'/],
    ['tls.enabled=true', /tls\.secret: name a Secret/],
    ['tls.clientCaSecret=ca', /tls\.clientCaSecret: .* set tls\.enabled/],
    ['tls.certManager.enabled=true', /set tls\.enabled/],
    ['autoscaling.enabled=true', /autoscaling\.enabled: only mode cluster/],
    ['ingress.enabled=true', /ingress\.hosts/],
    ['gateway.enabled=true', /gateway\.parentRefs/],
    ['cluster.secret=s', /cluster\.secret has no effect in this mode/],
    ['stores[0].name=eu', /missing property 'kind'/],
  ];
  for (const [set, why] of refused) {
    it(`refuses ${set}`, async (t) => {
      if (!hasPrograms(t, ['helm'])) return;
      await assert.rejects(render(environment(t), '--set', set), why);
    });
  }
});

/** What a DaemonSet takes from its node. Its init container gives a folder of the node to another user, which only root can. */
const ofNode = [
  'has a folder of the node',
  'has a port of the node',
  'chooses an SELinux type',
  'prepare: adds CHOWN',
];

/** What the Pod Security Standard "restricted" and careful operators would say of a pod. */
function faultsOf(pod: PodSpec): readonly string[] {
  const {
    securityContext,
    containers,
    initContainers = [],
    automountServiceAccountToken,
    volumes = [],
  } = pod;
  const seccomp = securityContext.seccompProfile as { type?: string } | undefined;
  return [
    ...(securityContext.runAsNonRoot === true ? [] : ['may run as root']),
    ...(seccomp?.type === 'RuntimeDefault' ? [] : ['no seccomp profile']),
    ...(automountServiceAccountToken === undefined ? ['does not say whether it needs a token'] : []),
    ...containers.flatMap(containerFaults),
    ...initContainers.flatMap(containerFaults),
    ...(volumes.some(({ hostPath }) => hostPath) ? ['has a folder of the node'] : []),
    ...(securityContext.seLinuxOptions ? ['chooses an SELinux type'] : []),
    ...(containers.some(({ ports = [] }) => ports.some(({ hostPort }) => hostPort))
      ? ['has a port of the node']
      : []),
    ...containers
      .filter(({ name }) => name === 'entrepot')
      .flatMap(({ startupProbe, readinessProbe, livenessProbe }) =>
        startupProbe && readinessProbe && livenessProbe ? [] : ['a probe is missing'],
      ),
  ];
}

/** What both the Dockerfile and deploy/image have in PATH. */
const programsOfImage = [undefined, 'entrepot', 'node'];

function containerFaults({ name, image, command, securityContext, resources }: Container): readonly string[] {
  const { capabilities } = securityContext;
  const faults = [
    ...(securityContext.allowPrivilegeEscalation === false ? [] : ['privileges may grow']),
    ...(securityContext.readOnlyRootFilesystem === true ? [] : ['the root file system can be written']),
    ...(capabilities?.drop?.includes('ALL') ? [] : ['keeps capabilities']),
    ...(capabilities?.add ?? []).map((capability) => `adds ${capability}`),
    ...(resources?.requests?.cpu && resources.requests.memory ? [] : ['no requests']),
    ...(resources?.limits?.memory ? [] : ['no limit of memory']),
    ...(programsOfImage.includes(command?.[0]) ? [] : ['runs a program that the image may not have']),
    ...(/[:@](?!latest$)[^/]+$/.test(image) ? [] : ['an image without a version']),
  ];
  return faults.map((fault) => `${name}: ${fault}`);
}

describe('the configuration of the Helm chart', () => {
  for (const name of exampleNames) {
    it(`is one that Entrepot takes, without a warning of its own making: ${name}`, async (t) => {
      if (!hasPrograms(t, ['helm'])) return;
      const folder = tempFolder(t);
      const env = placePod(objectsOf(await render(environment(t), ...example(name))), folder);
      const { stdout, stderr } = await runEntrepot(['check', '--json', ...env.flags], { env: env.variables });
      const { errors, warnings } = JSON.parse(stdout || '{}');
      assert.deepEqual(errors, [], stderr);
      const texts = warnings.map(({ message }: { message: string }) => message);
      assert.deepEqual(
        texts.filter(
          (text: string) =>
            !/^(?:listens on 0\.0\.0\.0 without|cache\.max_size is|does not exist yet: no server)/.test(text),
        ),
        [],
      );
    });
  }

  it('keeps numbers, lists, tables and odd keys of values as they are', async (t) => {
    if (!hasPrograms(t, ['helm'])) return;
    const folder = tempFolder(t);
    const written = join(folder, 'values.yaml');
    writeFileSync(
      written,
      `config:
  limits: { max_connections: 20000, drain_delay: null }
  routing: { hosts: { "hub.corp": docker.io } }
  transfer: { fill: 0.5 }
  push: [{ match: "images.local/**", mode: local, delete: true, immutable: [] }]
  sync: [{ name: ubi, source: quay.io/ubi, tags: { semver: ">=8.6 <9", newest: 5 }, every: 6h }]
`,
    );
    const objects = objectsOf(await render(environment(t), '--values', written));
    const toml = objects.find(({ kind }) => kind === 'ConfigMap')?.data?.['entrepot.toml'] ?? '';
    for (const line of [
      'max_connections = 20000',
      'hosts = { "hub.corp" = "docker.io" }',
      'fill = 0.5',
      '[[push]]\ndelete = true\nimmutable = []\n',
      'tags = { newest = 5, semver = ">=8.6 <9" }',
    ]) {
      assert.ok(toml.includes(line), toml);
    }
    assert.ok(!toml.includes('drain_delay'));
    const env = placePod(objects, folder);
    const { code, stderr } = await runEntrepot(['check', ...env.flags], { env: env.variables });
    assert.equal(code, 0, stderr);
  });

  it('is what the commands of the notes read', async (t) => {
    if (!hasPrograms(t, ['helm'])) return;
    const folder = tempFolder(t);
    const env = placePod(objectsOf(await render(environment(t), ...example('single'))), folder);
    const notes = await notesOf(environment(t), folder, example('single'));
    const commands = [...notes.matchAll(/-- entrepot (.+)$/gm)].map(([, command = '']) => command);
    assert.equal(commands.length, 3, notes);
    assert.match(notes, /\[host\."http:\/\/127\.0\.0\.1:30500"\]/);
    for (const command of commands) {
      const ran = await runEntrepot([...command.split(' '), ...env.flags], { env: env.variables });
      assert.equal(ran.code, 0, `${command}: ${ran.stderr}`);
      if (command.includes('--for')) assert.match(ran.stdout, /127\.0\.0\.1:30500/, command);
    }
  });
});

/** Helm prints notes only after an install, so they are rendered as a manifest. */
async function notesOf(env: Environment, folder: string, args: readonly string[]): Promise<string> {
  const copy = join(folder, 'chart');
  cpSync(chart, copy, { recursive: true });
  cpSync(join(copy, 'templates/NOTES.txt'), join(copy, 'files/NOTES.txt'));
  const template = '{{ dict "notes" (tpl (.Files.Get "files/NOTES.txt") .) | toYaml }}\n';
  writeFileSync(join(copy, 'templates/notes.yaml'), template);
  const only = ['--show-only', 'templates/notes.yaml'];
  return parse(await run('helm', ['template', 'entrepot', copy, ...version, ...only, ...args], env)).notes;
}
