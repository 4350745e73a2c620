/* Runs the dew point and its surrogate on the same inputs, times both, and prints a table. */
#include <stdint.h>

#include "board.h"

/* Both in this file, so that the compiler may do to one what it may do to the other. */
#include "../dew_point.c"
#include "dew_point_surrogate.h"

/* A cost is the mean of CALLS calls, and its unit is a nop: a cycle on hardware, an instruction where an emulator lets
   each take the same time. So it does not matter how fast the timer runs. */
enum { CALLS = 10, NOPS = 100 };

static const struct { float t, rh; } INPUTS[] = {
    {-20.0f, 1.0f}, {-15.0f, 85.0f}, {0.0f, 50.0f}, {8.0f, 97.5f},
    {21.5f, 48.0f}, {25.0f, 12.0f},  {38.0f, 70.0f}, {60.0f, 100.0f},
};

/* Where calls take their arguments from and leave their result: memory that the compiler must read and write. */
static volatile float arg_t, arg_rh, result;

static void call_nothing(void)
{
    const float t = arg_t;
    const float rh = arg_rh;

    (void)rh;
    result = t;
}

static void call_nops(void)
{
    call_nothing();
    __asm__ volatile(".rept 100\n nop\n .endr");
}

static void call_original(void)
{
    result = dew_point(arg_t, arg_rh);
}

static void call_surrogate(void)
{
    result = dew_point_surrogate(arg_t, arg_rh);
}

static uint32_t time_calls(void (*volatile call)(void))
{
    const uint32_t start = board_cycles();

    for (int i = 0; i < CALLS; i++) {
        call();
    }
    return (board_cycles() - start) & 0xFFFFFFu;
}

static uint32_t cost_of(void (*call)(void))
{
    const uint32_t nothing = time_calls(call_nothing);
    const uint32_t unit = time_calls(call_nops) - nothing;

    return ((time_calls(call) - nothing) * NOPS + unit / 2u) / unit;
}

/* Prints a number of thousandths (or, without decimals, of ones) flush right in `width` columns. */
static void print_number(int32_t number, int decimals, int width)
{
    char text[24];
    char *first = text + sizeof text - 1;
    uint32_t left = number < 0 ? 0u - (uint32_t)number : (uint32_t)number;
    int digits = 0;

    *first = '\0';
    while (left != 0u || digits <= decimals) {
        *--first = (char)('0' + (int)(left % 10u));
        left /= 10u;
        if (++digits == decimals) {
            *--first = '.';
        }
    }
    if (number < 0) {
        *--first = '-';
    }
    while (text + sizeof text - 1 - first < width) {
        *--first = ' ';
    }
    board_print(first);
}

static int32_t thousandths(float x)
{
    return (int32_t)(1000.0f * x + (x < 0.0f ? -0.5f : 0.5f));
}

int main(void)
{
    int32_t largest = 0;

    board_start();
    board_print("dew_point() and dew_point_surrogate() on " CORE);
    board_print("; cost in cycles, where emulated in instructions\n\n");
    board_print("       t       rh  original  surrogate  difference  cost: original  surrogate\n");
    for (unsigned i = 0; i < sizeof INPUTS / sizeof INPUTS[0]; i++) {
        arg_t = INPUTS[i].t;
        arg_rh = INPUTS[i].rh;
        const uint32_t original_cost = cost_of(call_original);
        const int32_t original = thousandths(result);
        const uint32_t surrogate_cost = cost_of(call_surrogate);
        const int32_t surrogate = thousandths(result);
        const int32_t difference = surrogate - original;

        print_number(thousandths(arg_t), 3, 8);
        print_number(thousandths(arg_rh), 3, 9);
        print_number(original, 3, 10);
        print_number(surrogate, 3, 11);
        print_number(difference, 3, 12);
        print_number((int32_t)original_cost, 0, 16);
        print_number((int32_t)surrogate_cost, 0, 11);
        board_print("\n");
        if (difference > largest || -difference > largest) {
            largest = difference < 0 ? -difference : difference;
        }
    }
    board_print("\nlargest difference ");
    print_number(largest, 3, 0);
    board_print("\n");
    return 0;
}
