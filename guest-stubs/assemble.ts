/**
 * Assembles the guest stubs with GNU binutils. `npm run stubs` writes what it makes into the tree; a test
 * makes it again and compares.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execaSync } from 'execa';
import tmp from 'tmp';
import { ACCESS_RECORD_BYTES, Access, AccessFlag, Privilege } from '../src/access-list.ts';
import type { Architecture } from '../src/registers.ts';
import * as AArch64 from './aarch64/stub-protocol.ts';
import {
  CONTROL_OFFSET,
  Control,
  ExitMode,
  PROTOCOL_MAGIC,
  PROTOCOL_VERSION,
  RESULT_RECORD_BYTES,
  Result,
  VECTOR_NONE,
} from './protocol.ts';
import {
  EXTRA_LOAD_FAULTED,
  X64Command,
  X64Operation,
  X64ProbeFlag,
  X64Queue,
  X64Register,
} from './x64/control.ts';

/** An assembled stub. */
export interface AssembledStub {
  /** The region's first bytes; all that follows is zero. */
  readonly blob: Uint8Array;
  /** Offsets of the global labels in the region. */
  readonly symbols: Readonly<Record<string, number>>;
}

interface StubSource {
  /** Prefix of the binutils programs. */
  readonly target: string;
  readonly package: string;
  /** Where the linker puts the sections. */
  readonly sections: Readonly<Record<string, number>>;
  /** Constants for `.include "protocol.inc"`, beside the shared ones. */
  readonly constants: Readonly<Record<string, number>>;
}

const SHARED_CONSTANTS = {
  PROTOCOL_MAGIC,
  PROTOCOL_VERSION,
  PROBE_RECORD_BYTES: ACCESS_RECORD_BYTES,
  RESULT_RECORD_BYTES,
  VECTOR_NONE,
  ...prefixed('CONTROL', Control),
  ...prefixed('EXIT', ExitMode),
  ...prefixed('RESULT', Result),
  ...prefixed('ACCESS', Access),
  ...prefixed('PRIVILEGE', Privilege),
  ...prefixed('ACCESS_FLAG', AccessFlag),
};

/** Every stub: its source is ARCHITECTURE/stub.s. */
export const STUB_SOURCES: Readonly<Partial<Record<Architecture, StubSource>>> = {
  x64: {
    target: 'x86_64-linux-gnu-',
    package: 'binutils-x86-64-linux-gnu',
    sections: {
      '.text': 0,
      '.user': 0x1000,
      '.idt': 0x2000,
      '.state': 0x3000,
      '.control': 0x4000,
      '.stacks': 0x5000,
    },
    constants: {
      ...prefixed('X64', X64Register),
      ...prefixed('X64_COMMAND', X64Command),
      ...prefixed('X64_OPERATION', X64Operation),
      ...prefixed('X64_FLAG', X64ProbeFlag),
      ...prefixed('X64_QUEUE', X64Queue),
      EXTRA_LOAD_FAULTED,
    },
  },
  aarch64: {
    target: 'aarch64-linux-gnu-',
    package: 'binutils-aarch64-linux-gnu',
    sections: {
      '.text': 0,
      '.monitor_vectors': 0x800,
      '.vectors_el1': 0x1000,
      '.vectors_el2': 0x1800,
      '.vectors_el3': 0x2000,
      '.vectors_el1_nested': 0x2800,
      '.vectors_stage_two': 0x3000,
      // From 0x4000 to 0x5000 is the control block.
      '.loops': 0x5000,
      '.live': 0x6000,
    },
    constants: {
      CONTROL_OFFSET,
      CONTROL_ALIAS: AArch64.ALIAS_OFFSET + CONTROL_OFFSET,
      CONTROL_END: CONTROL_OFFSET + AArch64.CONTROL_BYTES,
      CODE_BYTES: AArch64.CODE_BYTES,
      LOAD_ALWAYS_BIT: Math.log2(AArch64.FLAG_LOAD_ALWAYS),
      VECTOR_REFUSED: AArch64.VECTOR_REFUSED,
      VECTOR_UNREADABLE: AArch64.VECTOR_UNREADABLE,
      VECTOR_STAGE_TWO: AArch64.VECTOR_STAGE_TWO,
      WRITE_OFFSET: AArch64.WRITE_OFFSET,
      TRANSLATE_ONLY_BIT: Math.log2(AccessFlag.TranslateOnly),
      ...prefixed('CONTROL', AArch64.AArch64Control),
      ...prefixed('COMMAND', AArch64.Command),
      ...prefixed('OPERATION', AArch64.Operation),
      ...prefixed('REGISTER', AArch64.Register),
      ...prefixed('PROBE', AArch64.ProbeRecord),
    },
  },
};

/**
 * Assembles one stub.
 * @param folder guest-stubs in the source tree
 * @throws Error with the assembler's message, or naming the package to install
 */
export function assembleStub(folder: string, architecture: Architecture): AssembledStub {
  const source = STUB_SOURCES[architecture];
  if (source === undefined) throw new Error(`there is no guest stub for ${architecture}`);
  const work = tmp.dirSync({ prefix: 'mmucheck-stub', unsafeCleanup: true });
  try {
    writeFileSync(join(work.name, 'protocol.inc'), include({ ...SHARED_CONSTANTS, ...source.constants }));
    const run = (tool: string, ...args: string[]) => {
      const result = execaSync(source.target + tool, args, { cwd: work.name, reject: false });
      if (result.failed) {
        const missing = result.code === 'ENOENT' ? ` (install the package ${source.package})` : '';
        throw new Error(`${result.shortMessage}${missing}\n${result.stderr ?? ''}`);
      }
      return result.stdout;
    };
    const places = Object.entries(source.sections).map(
      ([name, at]) => `--section-start=${name}=0x${at.toString(16)}`,
    );
    const sources = resolve(folder, architecture);
    run('as', '-I', work.name, '-I', sources, '-o', 'stub.o', join(sources, 'stub.s'));
    run('ld', '--entry=0', '-N', ...places, '-o', 'stub.elf', 'stub.o');
    run('objcopy', '-O', 'binary', 'stub.elf', 'stub.bin');
    return {
      blob: withoutTrailingZeros(readFileSync(join(work.name, 'stub.bin'))),
      symbols: globalSymbols(run('nm', '--extern-only', '--numeric-sort', 'stub.elf')),
    };
  } finally {
    work.removeCallback();
  }
}

/** What `npm run stubs` writes for a stub: file names in its folder and their content. */
export function generatedFiles(stub: AssembledStub): Readonly<Record<string, string>> {
  const header = '// Generated from stub.s by `npm run stubs`. Do not edit.\n\n';
  const lines =
    Buffer.from(stub.blob)
      .toString('base64')
      .match(/.{1,96}/g) ?? [];
  const labels = Object.entries(stub.symbols).map(([name, at]) => `  ${name}: 0x${at.toString(16)},\n`);
  return {
    'blob.ts': `${header}/** The first bytes of the stub's region; all that follows is zero. */\nexport const BLOB: Uint8Array = Buffer.from(\n  [\n${lines.map((line) => `    '${line}',\n`).join('')}  ].join(''),\n  'base64',\n);\n`,
    'symbols.ts': `${header}/** Offsets of the stub's labels in its region. */\nexport const Symbols = {\n${labels.join('')}} as const;\n`,
  };
}

/** Assembles every stub of the tree at `root` and writes the generated files. @returns their paths */
export function writeStubs(root: string): string[] {
  const written: string[] = [];
  for (const architecture of Object.keys(STUB_SOURCES) as Architecture[]) {
    const folder = join(root, 'guest-stubs');
    const files = generatedFiles(assembleStub(folder, architecture));
    for (const [name, content] of Object.entries(files)) {
      const path = join(folder, architecture, name);
      writeFileSync(path, content);
      written.push(path);
    }
  }
  return written;
}

/** `LoadEmulator: 1` of a group CONTROL becomes `CONTROL_LOAD_EMULATOR: 1`. */
function prefixed(prefix: string, group: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(group).map(([name, value]) => [
      `${prefix}_${name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toUpperCase()}`,
      value,
    ]),
  );
}

function include(constants: Readonly<Record<string, number>>): string {
  return Object.entries(constants)
    .map(([name, value]) => `.set ${name}, 0x${value.toString(16)}\n`)
    .join('');
}

function globalSymbols(listing: string): Record<string, number> {
  const symbols: Record<string, number> = {};
  for (const line of listing.split('\n')) {
    const [value, kind, name] = line.trim().split(/\s+/);
    if (value === undefined || kind === undefined || name === undefined) continue;
    // The linker's own marks (_end, __bss_start) are not the stub's.
    if (!name.startsWith('_')) symbols[name] = Number.parseInt(value, 16);
  }
  return symbols;
}

function withoutTrailingZeros(bytes: Uint8Array): Uint8Array {
  let length = bytes.length;
  while (length > 0 && bytes[length - 1] === 0) length--;
  return bytes.subarray(0, length);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const path of writeStubs(process.cwd())) console.log(`wrote ${path}`);
}
