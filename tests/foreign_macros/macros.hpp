// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Words that headers of other people define as macros. They come behind the standard library and
/// Eigen, as in a program that includes lorapro last.

// windows.h and what it includes
#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))
#define near
#define far
#define small char
#define hyper __int64
#define pascal
#define cdecl
#define interface struct
#define IN
#define OUT
#define OPTIONAL
#define CONST const
#define VOID void
#define TRUE 1
#define FALSE 0
#define BOOL int
#define ERROR 0
#define NO_ERROR 0L
#define DELETE (0x00010000L)
#define IGNORE 0
#define INFINITE 0xFFFFFFFF
#define STRICT 1
#define TRANSPARENT 1
#define OPAQUE 2
#define RELATIVE 2
#define ABSOLUTE 1
#define PASCAL
#define CALLBACK
#define THIS
#define PURE = 0
#define GetObject GetObjectA
#define GetMessage GetMessageA
#define SendMessage SendMessageA
#define CreateFile CreateFileA
#define CopyFile CopyFileA
#define DeleteFile DeleteFileA
#define MoveFile MoveFileA
#define LoadImage LoadImageA
#define Yield()

// X.h and Xlib.h
#define None 0L
#define Success 0
#define Status int
#define Bool int
#define True 1
#define False 0
#define Always 2
#define Unsorted 0
#define Above 0
#define Below 1
#define KeyPress 2
#define Expose 12
#define Complex 0
#define Convex 2
#define Nonconvex 1
#define CursorShape 0
#define ControlMask 4
#define DestroyAll 0

// complex.h of C
#define complex _Complex
#define imaginary _Imaginary
#define I (__extension__ 1.0iF)

// AssertMacros.h
#define check(assertion) ((void)0)
#define check_string(assertion, text) ((void)0)
#define verify(assertion) ((void)0)
#define require(assertion, label) ((void)0)
#define require_string(assertion, label, text) ((void)0)
#define nil nullptr
#define YES 1
#define NO 0

// sys/sysmacros.h, termios.h, R, Qt, Arduino
#define major(device) 0
#define minor(device) 0
#define makedev(high, low) 0
#define B0 0000000
#define B50 0000001
#define length Rf_length
#define error Rf_error
#define Copy(to, from, count, type) ((void)0)
#define Free(pointer) ((void)0)
#define Calloc(count, type) ((type*)nullptr)
#define slots
#define signals public
#define emit
#define foreach(variable, container) for (variable : container)
#define forever for (;;)
#define F(text) (text)
#define PI 3.14159265358979
#define bit(number) (1UL << (number))
#define sq(x) ((x) * (x))
#define constrain(x, low, high) ((x) < (low) ? (low) : (x))

// Logging and tests
#define LOG(level) ((void)0)
#define INFO(text) ((void)0)
#define WARN(text) ((void)0)
#define FAIL(text) ((void)0)
#define ASSERT(condition) ((void)0)
#define CHECK(condition) ((void)0)
#define TEST(suite, name) void suite##name()
