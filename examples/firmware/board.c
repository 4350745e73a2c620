/* Arm's MPS2 with a Cortex-M0+, M3 or M4 (application notes 383, 385 and 386): its UART 0, and the core's own SysTick. */
#include "board.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define UART_DATA REGISTER(0x40004000u)
#define UART_STATE REGISTER(0x40004004u) /* bit 0: the transmitter is full */
#define UART_CTRL REGISTER(0x40004008u)  /* bit 0: transmit */
#define UART_BAUDDIV REGISTER(0x40004010u)

#define SYSTICK_CTRL REGISTER(0xE000E010u) /* bit 0: run; bit 2: at the core's clock */
#define SYSTICK_LOAD REGISTER(0xE000E014u)
#define SYSTICK_VALUE REGISTER(0xE000E018u)

enum { CLOCK_HZ = 25000000, BAUD = 115200 };

void board_start(void)
{
    UART_BAUDDIV = CLOCK_HZ / BAUD;
    UART_CTRL = 1u;
    SYSTICK_LOAD = 0xFFFFFFu;
    SYSTICK_VALUE = 0u; /* any value written clears it */
    SYSTICK_CTRL = 5u;
}

void board_print(const char *text)
{
    for (; *text != '\0'; text++) {
        while ((UART_STATE & 1u) != 0u) {
        }
        UART_DATA = (uint8_t)*text;
    }
}

uint32_t board_cycles(void)
{
    return 0xFFFFFFu - SYSTICK_VALUE; /* it counts down */
}

void board_finish(int status)
{
#if defined(EMULATED)
    /* Semihosting's SYS_EXIT; without an emulator or a debugger it would be a fault. */
    register uint32_t call __asm__("r0") = 0x18u;
    register uint32_t reason __asm__("r1") = status == 0 ? 0x20026u : 0x20023u;
    __asm__ volatile("bkpt 0xab" : : "r"(call), "r"(reason) : "memory");
#else
    (void)status;
#endif
    for (;;) {
        __asm__ volatile("wfi");
    }
}
