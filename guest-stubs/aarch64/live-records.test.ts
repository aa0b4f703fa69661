import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execaSync } from 'execa';
import tmp from 'tmp';
import { expect, test } from 'vitest';
import { maintenanceText, type TlbiName, type TlbOperation } from '../../src/index.ts';
import { BLOB } from './blob.ts';
import { type LiveOperation, operationRecords, switchOperations } from './live-records.ts';
import { Operation } from './stub-protocol.ts';
import { Symbols } from './symbols.ts';

const BY_ADDRESS: readonly TlbiName[] = ['VAAE1IS', 'VAE2IS', 'VAE3IS', 'IPAS2E1IS'];
const OF_EVERYTHING: readonly TlbiName[] = ['VMALLE1IS', 'VMALLS12E1IS', 'ALLE1IS', 'ALLE2IS', 'ALLE3IS'];
const MAINTENANCE: readonly TlbOperation[] = [
  { kind: 'dsb', option: 'ISHST' },
  { kind: 'dsb', option: 'ISH' },
  { kind: 'isb' },
  ...BY_ADDRESS.map((name): TlbOperation => ({ kind: 'tlbi', name, operand: 0x1234n })),
  ...OF_EVERYTHING.map((name): TlbOperation => ({ kind: 'tlbi', name, operand: undefined })),
];
const REGISTERS = [
  ['ttbr0', 1],
  ['ttbr1', 1],
  ['ttbr0', 2],
  ['ttbr1', 2],
  ['ttbr0', 3],
  ['vttbr', 1],
] as const;
const NAMES = { ttbr0: 'ttbr0_el', ttbr1: 'ttbr1_el', vttbr: 'vttbr_el' } as const;

/** The stub's instructions by their offset, as binutils read them. */
const DISASSEMBLY = ((): ReadonlyMap<number, string> => {
  const file = join(tmp.dirSync({ unsafeCleanup: true }).name, 'blob');
  writeFileSync(file, BLOB);
  const { stdout } = execaSync('aarch64-linux-gnu-objdump', ['-D', '-b', 'binary', '-m', 'aarch64', file]);
  const lines = stdout.matchAll(/^\s*([0-9a-f]+):\s+[0-9a-f]{8}\s+(.*)$/gm);
  return new Map([...lines].map(([, at, text]) => [Number.parseInt(at as string, 16), text as string]));
})();

/** What the stub executes for an operation. */
function executed(operation: LiveOperation): string | undefined {
  const number = operationRecords([operation])[8] as number;
  return DISASSEMBLY.get(Symbols.operations + 8 * number)?.replace(/\s+/g, ' ');
}

test.each(MAINTENANCE)('the stub executes $kind $name $option as the mapping says it', (operation) => {
  const text = maintenanceText([operation]).replace('0x1234', 'x0');
  expect(executed(operation)).toBe(text);
});

test.each(REGISTERS)('the stub writes %s of EL%i', (register, level) => {
  const name = `${NAMES[register]}${register === 'vttbr' ? 2 : level}`;
  expect(executed({ kind: 'msr', register, level, value: 0n })).toBe(`msr ${name}, x0`);
});

test('every operation of the stub is one of these', () => {
  const writes = REGISTERS.map(([register, level]) => ({ kind: 'msr', register, level, value: 0n }) as const);
  const numbers = [...MAINTENANCE, ...writes].map((operation) => operationRecords([operation])[8]);
  expect(numbers.sort((a, b) => Number(a) - Number(b))).toEqual(Object.values(Operation));
});

test('a record has the operand before the number', () => {
  const operand = 0x8000_fff8_0004_02adn;
  const bytes = operationRecords([{ kind: 'isb' }, { kind: 'tlbi', name: 'VAAE1IS', operand }]);
  expect(new DataView(bytes.buffer).getBigUint64(16, true)).toBe(operand);
  expect([bytes[8], bytes[24], bytes.length]).toEqual([Operation.Isb, Operation.Vaae1is, 32]);
});

test('a register that a level does not have is refused', () => {
  const ttbr1 = { kind: 'msr', register: 'ttbr1', level: 3, value: 0n } as const;
  expect(() => operationRecords([ttbr1])).toThrow(/EL3 has no ttbr1/);
});

test('tables are switched by the registers that differ, and an ISB', () => {
  const registers = {
    ...({ architecture: 'aarch64', exceptionLevel: 1, ttbr0: 1n, ttbr1: 2n, vttbr: 3n } as const),
    ...{ tcr: 0n, mair: 0n, sctlr: 0n, hcrEl2: 0n },
  };
  expect(switchOperations(registers, registers)).toEqual([]);
  expect(switchOperations(registers, { ...registers, ttbr1: 5n, vttbr: 6n })).toEqual([
    { kind: 'msr', register: 'vttbr', level: 1, value: 6n },
    { kind: 'msr', register: 'ttbr1', level: 1, value: 5n },
    { kind: 'isb' },
  ]);
});
