// Generates src/xds/gen: Envoy's v3 API as Protobuf-ES messages, from the .proto files that the
// npm package @grpc/grpc-js-xds carries. Runs from `npm ci` (prepare) and `npm run generate`.
//
// Only the files reachable from ROOTS are copied and generated: the messages Limen speaks, and those it must be
// able to print when another control plane or a real Envoy used them.
//
// Before generating, the descriptors lose what only other tools read: validation rules, annotations, file options, reserved
// names, and the imports those needed. Protobuf-ES parses the descriptor of each file when it is imported, and walks
// every path through its imports: that was 210 ms for all of them, and is half of it this way (of which 40 ms are the library).

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FileDescriptorProto,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';

const ROOTS = [
  'envoy/admin/v3/certs.proto',
  'envoy/admin/v3/clusters.proto',
  'envoy/admin/v3/config_dump.proto',
  'envoy/admin/v3/listeners.proto',
  'envoy/admin/v3/server_info.proto',
  'envoy/config/bootstrap/v3/bootstrap.proto',
  'envoy/extensions/access_loggers/file/v3/file.proto',
  'envoy/extensions/access_loggers/stream/v3/stream.proto',
  'envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster.proto',
  'envoy/extensions/filters/http/cors/v3/cors.proto',
  'envoy/extensions/filters/http/fault/v3/fault.proto',
  'envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy.proto',
  'envoy/extensions/filters/http/router/v3/router.proto',
  'envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto',
  'envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.proto',
  'envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto',
  'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
  'envoy/extensions/filters/network/sni_cluster/v3/sni_cluster.proto',
  'envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto',
  'envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto',
  'envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto',
  'envoy/extensions/transport_sockets/tls/v3/tls.proto',
  'envoy/extensions/upstreams/http/v3/http_protocol_options.proto',
  'envoy/service/discovery/v3/ads.proto',
  'envoy/service/discovery/v3/discovery.proto',
];

const project = join(import.meta.dirname, '..');
const dependencies = join(project, 'node_modules/@grpc/grpc-js-xds/deps');
const IMPORT_PATHS = ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((name) => join(dependencies, name));
const target = join(project, 'src/xds/gen');

/** The .proto files reachable from the roots (paths as written in import statements), Google's own aside. */
function reachable(roots: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  const queue = [...roots];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (found.has(name) || name.startsWith('google/protobuf/')) continue;
    const directory = IMPORT_PATHS.find((path) => existsSync(join(path, name as string)));
    if (directory === undefined) throw new Error(`${name}: not in ${dependencies}`);
    const file = join(directory, name);
    found.set(name, file);
    for (const match of readFileSync(file, 'utf8').matchAll(/^import (?:public )?"([^"]+)";/gm))
      queue.push(match[1] as string);
  }
  return found;
}

/** Removes custom options (validation rules, annotations): to this script they are unknown fields of the options messages. */
function dropCustomOptions(options: Message | undefined): void {
  if (options !== undefined) delete options.$unknown;
}

function simplifyEnum(type: EnumDescriptorProto): void {
  dropCustomOptions(type.options);
  for (const value of type.value) dropCustomOptions(value.options);
  type.reservedRange = [];
  type.reservedName = [];
}

/** Simplifies a message and adds the types it refers to (`.package.Name`) to `used`. */
function simplifyMessage(type: DescriptorProto, used: Set<string>): void {
  dropCustomOptions(type.options);
  type.reservedRange = [];
  type.reservedName = [];
  for (const oneof of type.oneofDecl) dropCustomOptions(oneof.options);
  for (const field of type.field) {
    dropCustomOptions(field.options);
    if (field.typeName !== '') used.add(field.typeName);
  }
  for (const nested of type.nestedType) simplifyMessage(nested, used);
  for (const nested of type.enumType) simplifyEnum(nested);
}

function typeNames(prefix: string, types: DescriptorProto[], enums: EnumDescriptorProto[]): string[] {
  return [
    ...enums.map((type) => `${prefix}.${type.name}`),
    ...types.flatMap((type) => {
      const name = `${prefix}.${type.name}`;
      return [name, ...typeNames(name, type.nestedType, type.enumType)];
    }),
  ];
}

/** Drops everything from the files that no message needs, and then the files that no root needs. Returns the files that stay. */
function simplify(files: readonly FileDescriptorProto[]): FileDescriptorProto[] {
  const byName = new Map(files.map((file) => [file.name, file]));
  const definedIn = new Map<string, string>();
  for (const file of files)
    for (const type of typeNames(`.${file.package}`, file.messageType, file.enumType)) definedIn.set(type, file.name);
  for (const file of files) {
    // Google's own come with Protobuf-ES; a file with extensions is an annotation, and falls away since nothing imports it.
    if (file.name.startsWith('google/protobuf/') || file.extension.length > 0) continue;
    if (file.publicDependency.length > 0) throw new Error(`${file.name}: public imports are not handled here`);
    const used = new Set<string>();
    delete file.options;
    for (const type of file.messageType) simplifyMessage(type, used);
    for (const type of file.enumType) simplifyEnum(type);
    for (const service of file.service) {
      dropCustomOptions(service.options);
      for (const method of service.method) {
        dropCustomOptions(method.options);
        used.add(method.inputType).add(method.outputType);
      }
    }
    const needed = new Set([...used].map((type) => definedIn.get(type)));
    file.dependency = file.dependency.filter((name) => needed.has(name));
    file.weakDependency = [];
  }
  const kept = new Set<FileDescriptorProto>();
  const keep = (name: string) => {
    const file = byName.get(name);
    if (file === undefined || kept.has(file)) return;
    for (const dependency of file.dependency) keep(dependency);
    kept.add(file); // after what it imports: descriptor sets are in that order
  };
  for (const name of ROOTS) keep(name);
  return [...kept];
}

const files = reachable(ROOTS);
const work = mkdtempSync(join(tmpdir(), 'limen-xds-'));
try {
  for (const [name, file] of files) {
    const copy = join(work, 'proto', name);
    mkdirSync(dirname(copy), { recursive: true });
    // The package's validate.proto is older than its Envoy files and lacks this rule, which nothing here reads.
    writeFileSync(copy, readFileSync(file, 'utf8').replaceAll(/\bignore_empty: true\b/g, ''));
  }
  writeFileSync(join(work, 'buf.yaml'), 'version: v2\nmodules:\n  - path: proto\n');
  writeFileSync(
    join(work, 'buf.gen.yaml'),
    JSON.stringify({
      version: 'v2',
      plugins: [
        {
          local: join(project, 'node_modules/.bin/protoc-gen-es'),
          out: 'gen',
          opt: ['target=js+dts', 'import_extension=js'],
        },
      ],
    }),
  );
  const buf = (...args: string[]) =>
    execFileSync(join(project, 'node_modules/.bin/buf'), args, {
      cwd: work,
      stdio: 'inherit',
      // It would otherwise look for a cache in $HOME, which need not be writable.
      env: { ...process.env, BUF_CACHE_DIR: join(work, 'cache') },
    });
  const image = join(work, 'image.binpb');
  buf('build', '-o', image);
  const kept = simplify(fromBinary(FileDescriptorSetSchema, readFileSync(image)).file);
  writeFileSync(
    image,
    toBinary(FileDescriptorSetSchema, { $typeName: 'google.protobuf.FileDescriptorSet', file: kept }),
  );
  buf('generate', image);
  const names = kept.map((file) => file.name).filter((name) => files.has(name));
  names.sort();
  const symbol = (name: string) => `file_${name.replace(/\.proto$/, '').replace(/[^a-zA-Z0-9]/g, '_')}`;
  const module = (name: string) => `./${name.replace(/\.proto$/, '_pb.js')}`;
  writeFileSync(
    join(work, 'gen/files.js'),
    `${names.map((name) => `import { ${symbol(name)} } from '${module(name)}';`).join('\n')}\n\nexport const files = [\n${names.map((name) => `  ${symbol(name)},`).join('\n')}\n];\n`,
  );
  writeFileSync(
    join(work, 'gen/files.d.ts'),
    "import type { GenFile } from '@bufbuild/protobuf/codegenv2';\n\n/** Every generated file, for a type registry. */\nexport declare const files: GenFile[];\n",
  );
  rmSync(target, { recursive: true, force: true });
  mkdirSync(dirname(target), { recursive: true });
  try {
    renameSync(join(work, 'gen'), target);
  } catch {
    cpSync(join(work, 'gen'), target, { recursive: true }); // the temporary folder is on another file system
  }
  console.log(`src/xds/gen: ${names.length} files`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
