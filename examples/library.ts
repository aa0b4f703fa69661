import { MemoryAttributes, PhysicalMemory, SequentialAllocator, X64PageTable } from 'mmucheck';
import { selectMachines, verify } from 'mmucheck/harness';

// The tables live in 1 MiB of guest memory at 16 MiB.
const memory = PhysicalMemory.allocate(0x100_0000, 0x10_0000);
const allocator = new SequentialAllocator(0x100_0000, 0x10_0000);
const tables = X64PageTable.create({ memory, allocator });

// Code that cannot be written, data that cannot be executed.
tables.mapMemoryRegion(0x20_0000, 0x20_0000, MemoryAttributes.ReadOnly);
tables.mapMemoryRegion(0x40_0000, 0x1000, MemoryAttributes.ExecuteProtect);
console.log(tables.queryMemoryRegion(0x40_0000, 0x1000) === MemoryAttributes.ExecuteProtect);

// Every leaf and every gap is put to each machine: the walker's prediction against what the MMU does.
const registers = tables.registers();
const report = await verify(
  { kind: 'capture', name: 'my tables', architecture: 'x64', registers, memory, notes: [] },
  { machines: selectMachines([], 'x64') },
);
console.log(report.verdict);
