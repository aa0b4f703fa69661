// User accesses: entered from the loop of EL1 or EL2 by ERET, left by SVC when the access completed. x1 = address,
// x6 = address of the byte that is written, w7 = its value.

.section .loops, "ax"
.global read_el0, write_el0
read_el0:
        ldp     x0, x2, [x1]
        svc     #0
write_el0:
        strb    w7, [x6], #0
        svc     #0
