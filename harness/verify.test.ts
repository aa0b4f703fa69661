import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import { Access, Privilege } from '../src/access-list.ts';
import { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { KNOWN_ALL, Known, x64Fault } from '../src/outcome-list.ts';
import {
  type Falsify,
  lieAbout,
  machineFor,
  machineOf,
  PRESENT_WRITABLE_USER,
  ROOT,
  setFlags,
  smallCapture,
  smallTables,
} from '../test/support/book-machine.ts';
import type { Erratum } from './errata.ts';
import type { CaptureInput } from './inputs/types.ts';
import { MachineError } from './machine.ts';
import { verify } from './verify.ts';
import type { MachineCandidate } from './verify-run.ts';

describe('verification of tables against a machine', () => {
  test('agrees with a machine by the book, counts every probe, and closes the machine', async () => {
    const machine = machineOf();
    const report = await verify(smallCapture, { machines: [machine] });
    expect(report.verdict).toBe('agree');
    expect(report.mismatches).toEqual([]);
    const [ran] = report.machines;
    expect(ran).toMatchObject({ name: 'fake-x64', version: '1.2.3', status: 'ran', mismatched: 0 });
    expect(ran?.agreed).toBe(ran?.probes);
    expect(ran?.probes).toBe(60);
    expect(ran?.tables).toEqual({ accessed: 6, dirty: 2, findings: 0, listing: null });
    expect(machine.closed).toBeGreaterThan(0);
  });

  test('reports one access that completes although a fault is predicted, and nothing else', async () => {
    const write = lieAbout(0x20_0000n, Access.Write, Privilege.User, (outcomes, index) => {
      outcomes.fault[index] = 0;
      outcomes.physicalAddress[index] = 0x60_0000;
    });
    const report = await verify(smallCapture, { machines: [machineOf(write)] });
    expect(report.verdict).toBe('mismatch');
    expect(report.mismatches).toHaveLength(1);
    expect(report.mismatches[0]).toMatchObject({
      machine: 'fake-x64',
      address: '0x200000',
      access: 'write',
      privilege: 'user',
      region: null,
      declared: null,
      predicted: { completes: false, fault: '0xe000007', faultAddress: '0x200000' },
      observed: { completes: true, physicalAddress: '0x600000' },
    });
    expect(report.machines[0]?.mismatched).toBe(1);
  });

  test('reports one wrong bit of an error code', async () => {
    const lie = lieAbout(0x20_0000n, Access.Write, Privilege.User, (outcomes, index) => {
      outcomes.fault[index] = x64Fault(14, 6);
    });
    const report = await verify(smallCapture, { machines: [machineOf(lie)] });
    expect(report.mismatches.map(({ address }) => address)).toEqual(['0x200000']);
  });

  test('counts what a known deviation explains as an erratum, not as agreed', async () => {
    const lie = lieAbout(0x20_0000n, Access.Write, Privilege.User, (outcomes, index) => {
      outcomes.fault[index] = x64Fault(14, 6);
    });
    const erratum: Erratum = {
      rule: 'forgets-present',
      machine: 'fake-x64',
      before: '2.0',
      description: 'reports P=0',
      test: 'harness/verify.test.ts',
      explains: ({ predicted, observed }) => (predicted.fault ^ observed.fault) === 1,
    };
    const report = await verify(smallCapture, { machines: [machineOf(lie)], errata: [erratum] });
    expect(report.verdict).toBe('agree');
    expect(report.machines[0]).toMatchObject({ errata: 1, mismatched: 0 });
    expect(report.machines[0]?.errataApplied).toEqual([
      { rule: 'forgets-present', description: 'reports P=0', count: 1 },
    ]);
    const fixed = { ...erratum, before: '1.2' };
    expect((await verify(smallCapture, { machines: [machineOf(lie)], errata: [fixed] })).verdict).toBe(
      'mismatch',
    );
  });

  test('counts what the machine cannot tell as not observable, with its reason', async () => {
    const blind = lieAbout(0n, Access.Execute, Privilege.User, (outcomes, index) => {
      outcomes.known[index] = KNOWN_ALL & ~Known.Completion;
    });
    const report = await verify(smallCapture, { machines: [machineOf(blind)] });
    const [ran] = report.machines;
    expect(ran).toMatchObject({ notObservable: 1, mismatched: 0 });
    expect(ran?.agreed).toBe((ran?.probes ?? 0) - 1);
    expect(ran?.notObservableReasons).toEqual([
      { what: 'the machine could not tell whether the access completes', count: 1 },
    ]);
  });

  test('groups mismatches of one kind at neighbouring points', async () => {
    const everyUserRead: Falsify = (outcomes, { accesses }) => {
      for (let index = 0; index < accesses.length; index++) {
        if (accesses.access(index) === Access.Read && accesses.privilege(index) === Privilege.User) {
          if (outcomes.fault[index] === 0) (outcomes.physicalAddress[index] as number) += 0x7000_0000;
        }
      }
    };
    const report = await verify(smallCapture, {
      machines: [machineOf(everyUserRead)],
      coverage: 'pages',
      maxMismatches: 3,
    });
    expect(report.mismatches).toHaveLength(3);
    expect(report.mismatchesOmitted).toBe((report.machines[0]?.mismatched ?? 0) - 3);
    expect(report.groups.map(({ first, last, count }) => [first, last, count])).toEqual([
      ['0x0', '0x400ff0', 1026],
    ]);
  });
});

test('a machine is told how much is to come, and machines share the processor', async () => {
  const machines = [machineOf(), machineOf()];
  const { machines: reports } = await verify(smallCapture, { machines });
  const cores = Math.max(1, Math.floor(availableParallelism() / 2));
  for (const { opened } of machines) {
    expect(opened).toEqual([{ expectedProbes: expect.any(Number), cores }]);
    const { expectedProbes = 0 } = opened[0] ?? {};
    expect(expectedProbes).toBeGreaterThan(0);
    expect(expectedProbes).toBeLessThanOrEqual(reports[0]?.probes ?? 0);
  }
});

describe('tables that a machine leaves behind', () => {
  const verifySpoilt = async (spoil: (memory: PhysicalMemory) => void) =>
    await verify(smallCapture, {
      machines: [
        machineOf(undefined, (memory) => {
          setFlags(memory);
          spoil(memory);
        }),
      ],
    });

  test('mismatch if a dirty flag appeared without a completed write', async () => {
    const report = await verifySpoilt((memory) => memory.writeEntry(0x3008, 0x60_0000n | 0xe5n));
    expect(report.verdict).toBe('mismatch');
    expect(report.mismatches[0]?.remark).toContain('0x3008');
    expect(report.mismatches[0]?.remark).toContain('dirty');
  });

  test('mismatch if the dirty flag is missing after a completed write', async () => {
    const report = await verifySpoilt((memory) => memory.writeEntry(0x4000, 0x80_0000n | 0x27n));
    expect(report.mismatches[0]).toMatchObject({ address: '0x400000' });
    expect(report.mismatches[0]?.remark).toContain('0x4000');
  });

  test('mismatch if any other bit changed', async () => {
    const report = await verifySpoilt((memory) => memory.writeEntry(0x2000, 0x3000n | 0x227n));
    expect(report.mismatches[0]?.remark).toContain('other bits changed (0x3007 before, 0x3227 after)');
  });

  test('mismatch if an unused entry changed', async () => {
    const report = await verifySpoilt((memory) => memory.writeEntry(0x2ff8, 0x20n));
    expect(report.mismatches[0]?.remark).toContain('0x2ff8');
  });
});

describe('a machine that is not there', () => {
  const absent: MachineCandidate = {
    name: 'absent-x64',
    provider: async () => ({
      name: 'absent-x64',
      architecture: 'x64',
      detect: async () => ({ available: false, reason: 'not installed' }),
      open: async () => {
        throw new MachineError('absent-x64', 'absent', 'not installed');
      },
    }),
  };

  test('is an error if it was asked for, and the others are closed', async () => {
    const other = machineOf();
    await expect(verify(smallCapture, { machines: [absent, other], required: true })).rejects.toThrow(
      'absent-x64: not installed',
    );
    expect(other.closed).toBeGreaterThan(0);
  });

  test('is listed as absent if it was not', async () => {
    const report = await verify(smallCapture, { machines: [absent, machineOf()] });
    expect(report.verdict).toBe('agree');
    expect(report.machines[0]).toMatchObject({ status: 'absent', probes: 0 });
    expect(report.machines[0]?.reason).toContain('not installed');
  });

  test('never agrees: without any machine the verification is incomplete', async () => {
    const report = await verify(smallCapture, { machines: [absent] });
    expect(report.verdict).toBe('incomplete');
  });

  test('never agrees: a machine that could observe no probe has confirmed nothing', async () => {
    const blind = machineOf((outcomes) => outcomes.known.fill(0));
    const report = await verify(smallCapture, { machines: [blind] });
    expect(report.machines[0]).toMatchObject({ status: 'ran', agreed: 0, mismatched: 0 });
    expect(report.verdict).toBe('incomplete');
    expect((await verify(smallCapture, { machines: [blind, machineOf()] })).verdict).toBe('agree');
  });

  test('leaves the verification incomplete if it breaks off', async () => {
    const broken = machineOf(() => {
      throw new MachineError('fake-x64', 'failed', 'the emulator ended with status 1');
    });
    const report = await verify(smallCapture, { machines: [broken, machineOf()] });
    expect(report.verdict).toBe('incomplete');
    expect(report.machines[0]).toMatchObject({ status: 'failed' });
    expect(report.machines[1]).toMatchObject({ status: 'ran' });
  });
});

test('an abort closes every machine and rejects with its reason', async () => {
  const controller = new AbortController();
  const machine = machineOf(() => controller.abort(new Error('interrupted')));
  await expect(verify(smallCapture, { machines: [machine], signal: controller.signal })).rejects.toThrow(
    'interrupted',
  );
  expect(machine.closed).toBeGreaterThan(0);
});

describe('tables that lead to themselves', () => {
  /** A root table of which `count` entries lead to the root itself. */
  function selfMapped(count: number): CaptureInput {
    const memory = PhysicalMemory.allocate(ROOT, 0x1000);
    for (let index = 0; index < count; index++) {
      memory.writeEntry(ROOT + index * 8, BigInt(ROOT) | PRESENT_WRITABLE_USER);
    }
    return { ...smallCapture, memory };
  }

  test('are verified like any others where they end', async () => {
    const looping = selfMapped(1);
    const report = await verify(looping, { machines: [machineFor(looping)] });
    expect(report.verdict).toBe('agree');
  });

  test('are refused by name where they hold more leaves than anybody can touch, and no machine is started', async () => {
    const machine = machineOf();
    await expect(verify(selfMapped(512), { machines: [machine] })).rejects.toThrow(
      /^small\.core: the tables hold \d+ leaves/,
    );
    expect(machine.opened).toEqual([]);
  });
});

test('a table that is not in the capture is a mismatch at the addresses that need it, whatever the machine says', async () => {
  const memory = smallTables();
  memory.writeEntry(ROOT + 8 * 7, 0x7000_0000n | PRESENT_WRITABLE_USER);
  const incomplete = { ...smallCapture, memory };
  const { verdict, mismatches } = await verify(incomplete, {
    machines: [machineOf(undefined, setFlags, incomplete)],
  });
  expect(verdict).toBe('mismatch');
  expect(new Set(mismatches.map(({ address }) => BigInt(address) >> 39n))).toEqual(new Set([7n]));
  expect(mismatches[0]?.predicted?.text).toContain('0x70000000');
});

test('registers that are not modelled are an error of the input', async () => {
  const off = { ...smallCapture, registers: { ...smallCapture.registers, cr0: 0x11n } };
  await expect(verify(off, { machines: [machineOf()] })).rejects.toThrow(/^small\.core: .*CR0/);
});
