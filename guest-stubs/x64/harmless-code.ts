/**
 * What is safe to execute as an execute probe does: one instruction at ring 1 or 3, every register on a canary
 * whose surroundings are unmapped, no I/O permission. Such an instruction faults, changes registers, or
 * touches the canary's surroundings, which faults too.
 *
 * Opcodes by SDM Vol. 2D Appendix A, Table A-2. Only odd ones are judged, because the first byte of a present
 * table entry is odd, and 00, the first byte of an empty one.
 */

const FIRST_OPCODES = 0x40;

/**
 * Odd opcodes that lead anywhere: two-byte opcodes and VEX, prefixes, MOV with an absolute address; and RETF and
 * IRET, for which QEMU cuts RSP to 32 bits, so that they return to whatever lies there.
 */
const UNJUDGED: ReadonlySet<number> = new Set([0x0f, 0xc5, 0x65, 0x67, 0xf3, 0xa1, 0xa3, 0xcb, 0xcf]);

/** Odd opcodes from 40 on that have a ModRM byte. */
const WITH_MODRM: ReadonlySet<number> = new Set([
  ...[0x63, 0x69, 0x6b, 0x81, 0x83, 0x85, 0x87, 0x89, 0x8b, 0x8d, 0x8f],
  ...[0xc1, 0xc7, 0xd1, 0xd3, 0xd9, 0xdb, 0xdd, 0xdf, 0xf7, 0xff],
]);

/** Whether an instruction that begins with these two bytes, in memory order from bit 0, does no harm. */
export function isHarmlessCode(bytes: number): boolean {
  const opcode = bytes & 0xff;
  const modrm = (bytes >>> 8) & 0xff;
  if (opcode === 0x00) return isHarmlessOperand(modrm);
  if ((opcode & 1) === 0 || UNJUDGED.has(opcode)) return false;
  if (opcode < FIRST_OPCODES) {
    // ADD … CMP: r/m, r and r, r/m have a ModRM byte; the others have an immediate or do not exist.
    return (opcode & 7) > 3 || isHarmlessOperand(modrm);
  }
  if (opcode < 0x50) return false; // REX prefixes
  return !WITH_MODRM.has(opcode) || isHarmlessOperand(modrm);
}

/** What A and D (bits 5 and 6, SDM Vol. 3A §4.8) can add to the first byte of a present entry. */
const ACCESSED_DIRTY_VALUES = [0, 0x20, 0x40, 0x60];

/**
 * Whether a table entry is harmless to execute whatever of A and D the processor has set in it by then: they turn
 * 07, which does not exist, into 67, a prefix that takes the address out of reach of the canary.
 */
export function isHarmlessEntry(low: number): boolean {
  if ((low & 1) === 0) return isHarmlessCode(low);
  return ACCESSED_DIRTY_VALUES.every((flags) => isHarmlessCode(low | flags));
}

/** A register, or memory at a register: not by SIB byte, RIP or absolute address. */
function isHarmlessOperand(modrm: number): boolean {
  const rm = modrm & 7;
  return modrm >= 0xc0 || (rm !== 4 && (rm !== 5 || modrm >= 0x40));
}
