/**
 * The part of Unicorn's C interface that the machines need, from unicorn/unicorn.h, x86.h and arm64.h of 2.1.
 */
import koffi from 'koffi';
import type { UnicornLibrary } from './library.ts';

/** uc_arch and uc_mode. */
export const Architecture = { Arm64: 2, X86: 4 } as const;
export const Mode = { Arm: 0, Bits64: 8 } as const;

/** uc_prot. */
export const Protection = { Read: 1, Write: 2, Execute: 4 } as const;

/** uc_hook_type. */
export const HookType = {
  Interrupt: 1,
  ReadProtected: 1 << 7,
  FetchProtected: 1 << 9,
  InvalidInstruction: 1 << 14,
} as const;

/** uc_err. */
export const UnicornError = { Ok: 0, FetchProtected: 14 } as const;

/** uc_ctl: the control in bits 25:0, its number of arguments in 29:26, 1 in bits 31:30 for a setting. */
const setting = (control: number, argumentCount: number) => control | (argumentCount << 26) | (1 << 30);
export const Control = {
  CpuModel: setting(7, 1),
  FlushCode: setting(10, 0),
  FlushTlb: setting(11, 0),
  CodeBufferBytes: setting(13, 1),
} as const;

type Handle = number;
type Status = number;

/** The C functions; numbers are addresses or handles where C has pointers. */
export interface UnicornFunctions {
  open(architecture: number, mode: number, handle: BigUint64Array): Status;
  close(engine: Handle): Status;
  strerror(status: Status): string;
  control(engine: Handle, control: number, ...typesAndValues: (string | number)[]): Status;
  memMapPtr(engine: Handle, address: number, size: number, protection: number, memory: number): Status;
  memProtect(engine: Handle, address: number, size: number, protection: number): Status;
  mmioMap(
    engine: Handle,
    address: number,
    size: number,
    read: bigint,
    readData: number,
    write: bigint,
    writeData: number,
  ): Status;
  hookAdd(
    engine: Handle,
    hook: BigUint64Array,
    type: number,
    callback: bigint,
    data: number,
    begin: number,
    end: number,
  ): Status;
  regRead(engine: Handle, register: number, value: number): Status;
  regWrite(engine: Handle, register: number, value: number): Status;
  regWriteBatch(engine: Handle, registers: number, values: number, count: number): Status;
  emuStart(engine: Handle, begin: bigint, until: bigint, timeout: number, count: number): Status;
  contextAlloc(engine: Handle, context: BigUint64Array): Status;
  contextSave(engine: Handle, context: Handle): Status;
  contextRestore(engine: Handle, context: Handle): Status;
  contextFree(context: Handle): Status;
}

const bound = new WeakMap<UnicornLibrary, UnicornFunctions>();

/** The C functions of a library. */
export function bindUnicorn(library: UnicornLibrary): UnicornFunctions {
  const known = bound.get(library);
  if (known !== undefined) return known;
  const bind = (definition: string) => library.handle.func(definition);
  const functions: UnicornFunctions = {
    open: bind('int uc_open(int, int, void *)'),
    close: bind('int uc_close(uintptr_t)'),
    strerror: bind('const char *uc_strerror(int)'),
    control: bind('int uc_ctl(uintptr_t, int, ...)'),
    memMapPtr: bind('int uc_mem_map_ptr(uintptr_t, uint64_t, size_t, uint32_t, uintptr_t)'),
    memProtect: bind('int uc_mem_protect(uintptr_t, uint64_t, size_t, uint32_t)'),
    mmioMap: bind('int uc_mmio_map(uintptr_t, uint64_t, size_t, void *, uintptr_t, void *, uintptr_t)'),
    hookAdd: bind('int uc_hook_add(uintptr_t, void *, int, void *, uintptr_t, uint64_t, uint64_t, ...)'),
    regRead: bind('int uc_reg_read(uintptr_t, int, uintptr_t)'),
    regWrite: bind('int uc_reg_write(uintptr_t, int, uintptr_t)'),
    regWriteBatch: bind('int uc_reg_write_batch(uintptr_t, uintptr_t, uintptr_t, int)'),
    emuStart: bind('int uc_emu_start(uintptr_t, uint64_t, uint64_t, uint64_t, size_t)'),
    contextAlloc: bind('int uc_context_alloc(uintptr_t, void *)'),
    contextSave: bind('int uc_context_save(uintptr_t, uintptr_t)'),
    contextRestore: bind('int uc_context_restore(uintptr_t, uintptr_t)'),
    contextFree: bind('int uc_context_free(uintptr_t)'),
  };
  bound.set(library, functions);
  return functions;
}

/** Callbacks that Unicorn keeps; the first parameter of the C types, the engine, is of no use to us. */
export type ReadCallback = (engine: Handle, offset: number, size: number, data: number) => number;
export type WriteCallback = (
  engine: Handle,
  offset: number,
  size: number,
  value: unknown,
  data: number,
) => void;
export type InterruptCallback = (engine: Handle, vector: number) => void;
/** @returns whether the interrupt callback, which comes next, takes care of it */
export type InvalidInstructionCallback = () => boolean;
/** @returns whether the access may go on */
export type ProtectionCallback = (engine: Handle, type: number, address: number) => boolean;

const U = 'uintptr_t';
/** The C types of the callbacks, for koffi.register. */
export const CallbackType = {
  Read: koffi.pointer(koffi.proto('uint64_t', [U, 'uint64_t', 'uint', U])),
  Write: koffi.pointer(koffi.proto('void', [U, 'uint64_t', 'uint', 'uint64_t', U])),
  Interrupt: koffi.pointer(koffi.proto('void', [U, 'uint32_t', U])),
  InvalidInstruction: koffi.pointer(koffi.proto('bool', [U, U])),
  Protection: koffi.pointer(koffi.proto('bool', [U, 'int', 'uint64_t', 'int', 'int64_t', U])),
};
